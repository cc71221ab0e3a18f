import { describe, expect, it } from 'vitest';
import { join } from '../../support/client.ts';
import type { Format } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

describe('publish', () => {
  it('numbers the events of each topic from 1, and brings them as they were sent', async () => {
    const { port } = await startGateway();
    for (const [sends, reads] of [
      ['json', 'msgpack'],
      ['msgpack', 'json'],
    ] as [Format, Format][]) {
      const [publisher, reader] = [await join(port, { format: sends }), await join(port, { format: reads })];
      const topics = [`x.${sends}`, `y.${sends}`];
      await reader.request({ type: 'subscribe', topics });
      const data = [null, false, 0, -1.5, 2 ** 50, '', 'ü☃😀', [], {}, { a: [1, { b: 'c\n"\\' }] }];
      const answers = [];
      for (const each of data) {
        for (const topic of topics) answers.push(await publisher.request({ type: 'publish', topic, data: each }));
      }
      const events = await reader.gather(data.length * 2);
      for (const topic of topics) {
        const own = events.filter((event) => event.topic === topic);
        expect(own.map((event) => event.data)).toEqual(data);
        expect(own.map((event) => event.seq)).toEqual(data.map((_, i) => i + 1));
        const said = answers.filter((answer) => answer['topic'] === topic);
        expect(said).toEqual(own.map(({ seq, epoch }) => ({ topic, seq, epoch })));
        const times = own.map((event) => event.ts);
        expect(times).toEqual([...times].sort((a, b) => a - b));
      }
      expect(Object.keys(events[0]!)).toEqual(['type', 'topic', 'seq', 'epoch', 'ts', 'data']);
    }
  });

  it('to topics of the system is forbidden, and looks like no other', async () => {
    const { port } = await startGateway();
    const client = await join(port);
    const system = ['run.x', 'session.x.y', '$x', 'swarm.s.proposal', 'swarm.s.vote', 'swarm.s.consensus'];
    for (const topic of system) {
      expect(await client.refusal({ type: 'publish', topic, data: 1 })).toBe('forbidden');
    }
    for (const topic of ['running.x', 'run', 'session', 'swarm.s.votes', 'swarm.s.vote.x', 'a.run.x']) {
      expect(await client.request({ type: 'publish', topic, data: 1 })).toMatchObject({ seq: 1 });
    }
  });

  it('with a messageId happens once, and says so the second time', async () => {
    const { port } = await startGateway();
    const [client, other] = [await join(port), await join(port, { format: 'msgpack' })];
    await client.request({ type: 'subscribe', topics: ['a.b', 'a.c'] });
    const publish = { type: 'publish', topic: 'a.b', data: 'first', messageId: 'm-1' };
    const first = await client.request(publish);
    expect(first).not.toHaveProperty('duplicate');
    expect(await other.request({ ...publish, data: 'second' })).toEqual({ ...first, duplicate: true });
    // Remembered per topic.
    expect(await other.request({ ...publish, topic: 'a.c' })).not.toHaveProperty('duplicate');
    expect(await client.request({ ...publish, messageId: 'm-2', data: 'third' })).toMatchObject({ seq: 2 });
    const events = (await client.gather(3)).map(({ topic, data, messageId }) => [topic, data, messageId]);
    expect(events).toEqual([
      ['a.b', 'first', 'm-1'],
      ['a.c', 'first', 'm-1'],
      ['a.b', 'third', 'm-2'],
    ]);
  });

  it('of an ephemeral event reaches who is there, has no position, and is kept nowhere', async () => {
    const { port } = await startGateway();
    const [client, packed] = [await join(port), await join(port, { format: 'msgpack' })];
    await client.request({ type: 'subscribe', topics: ['a.b', 'a.*', '#'] });
    await packed.request({ type: 'subscribe', topics: ['a.b'] });
    const publish = { type: 'publish', topic: 'a.b', data: 'gone', ephemeral: true, messageId: 'm' };
    for (let i = 0; i < 2; i += 1) expect(await client.request(publish)).toEqual({ topic: 'a.b', seq: 0, epoch: '' });
    expect(await client.request({ type: 'publish', topic: 'a.b', data: 'kept' })).toMatchObject({ seq: 1 });
    for (const reader of [client, packed]) {
      const events = await reader.gather(3);
      expect(events.map(({ seq, data }) => [seq, data])).toEqual([
        [0, 'gone'],
        [0, 'gone'],
        [1, 'kept'],
      ]);
      expect(events[0]).not.toHaveProperty('epoch');
      expect(events[0]).toMatchObject({ messageId: 'm', ts: expect.any(Number) });
    }
    expect(await client.request({ type: 'history', topic: 'a.b' })).toMatchObject({ events: [{ data: 'kept' }] });
    const late = await join(port);
    await late.request({ type: 'subscribe', topics: [{ topic: 'a.#', since: 'earliest' }] });
    expect((await late.gather(1)).map((event) => event.data)).toEqual(['kept']);
  });

  it('of data whose event would be over the limit is refused, and changes nothing', async () => {
    const { port } = await startGateway({ AGENTWIRE_MAX_FRAME_BYTES: '2048' });
    const client = await join(port, { format: 'msgpack' });
    // Six characters in JSON, one byte in MessagePack.
    const data = '\u0001'.repeat(1000);
    expect(await client.refusal({ type: 'publish', topic: 'a.b', data })).toBe('payload_too_large');
    expect(await client.request({ type: 'history', topic: 'a.b' })).toMatchObject({ epoch: '', seq: 0, events: [] });
  });

  it.each<Format>(['json', 'msgpack'])('in %s is answered before its own event comes', async (format) => {
    const { port } = await startGateway();
    const client = await join(port, { format });
    const load = await join(port);
    await client.request({ type: 'subscribe', topics: ['own.*', 'own.1'] });
    const ids = [];
    for (let i = 0; i < 500; i += 1) {
      load.sendAsIs({ type: 'publish', topic: `own.${i % 3}`, data: 'load' });
      ids.push(client.send({ type: 'publish', topic: `own.${i % 5}`, data: 'own' }));
      if (i % 50 === 0) await client.ask({ type: 'ping' });
    }
    await client.gather(1000);
    for (const id of ids) {
      const answer = client.frames.findIndex((frame) => frame.id === id);
      const { topic, seq } = client.frames[answer]!['result'] as { topic: string; seq: number };
      const event = client.frames.findIndex((frame) => frame['topic'] === topic && frame['seq'] === seq);
      expect(answer).toBeGreaterThanOrEqual(0);
      expect(event).toBeGreaterThan(answer);
    }
  });
});
