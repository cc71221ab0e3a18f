import { describe, expect, it } from 'vitest';
import { startGateway } from '../../support/in-process.ts';
import type { InProcess } from '../../support/in-process.ts';
import { listen, refusal, until } from '../../support/sse.ts';

async function publish(gateway: InProcess, topic: string, ...datas: unknown[]): Promise<void> {
  for (const data of datas) {
    const answer = await gateway.http('POST', `/v1/topics/${topic}/publish`, { data });
    expect(answer.status).toBe(200);
  }
}

const path = '/v1/topics/a.b/events';

describe('the stream of one topic', () => {
  it('answers before the first event, with headers that keep proxies from collecting it', async () => {
    const { port } = await startGateway();
    const client = await listen(port, path);
    expect(client.response.headers).toMatchObject({ 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    await until(
      () => client.comments > 0,
      () => 'the first comment',
    );
    expect(client.all).toEqual([]);
  });

  it('brings what comes, each event with its position and all its fields', async () => {
    const gateway = await startGateway();
    await publish(gateway, 'a.b', 'before');
    const client = await listen(gateway.port, path);
    await gateway.http('POST', '/v1/topics/a.b/publish', { data: { x: 1 }, messageId: 'm1' });
    await publish(gateway, 'a.c', 'another topic');
    await publish(gateway, 'a.b', 'last');
    const [first, second] = await client.gather(2);
    const epoch = String(first!.data['epoch']);
    expect(first).toEqual({
      event: 'message',
      id: `${epoch}:2`,
      data: { type: 'event', topic: 'a.b', seq: 2, epoch, ts: expect.any(Number), data: { x: 1 }, messageId: 'm1' },
    });
    expect(second).toMatchObject({ id: `${epoch}:3`, data: { seq: 3, data: 'last' } });
  });

  it('holds each event in one line, whatever its text', async () => {
    const gateway = await startGateway();
    const client = await listen(gateway.port, path);
    const text = 'a\nb\r\nc\rd\u2028e\n\ndata: f\u0000';
    await publish(gateway, 'a.b', text, { [text]: text });
    const events = await client.gather(2);
    expect(events.map(({ data }) => data['data'])).toEqual([text, { [text]: text }]);
  });

  it('brings ephemeral events without moving the place to come back to', async () => {
    const gateway = await startGateway();
    const client = await listen(gateway.port, path);
    await publish(gateway, 'a.b', 1);
    await gateway.http('POST', '/v1/topics/a.b/publish', { data: 'now', ephemeral: true });
    const [first, second] = await client.gather(2);
    expect(second).toMatchObject({ id: first!.id, data: { seq: 0, data: 'now' } });
  });

  it.each(['the header', 'the query'])('goes on by %s where it was cut off, each event exactly once', async (way) => {
    const gateway = await startGateway();
    await publish(gateway, 'a.b', ...Array.from({ length: 5 }, (_, i) => i));
    const seen: unknown[] = [];
    let id = '';
    for (let round = 0; round < 4; round += 1) {
      const client =
        way === 'the header'
          ? await listen(gateway.port, `${path}?after=0`, id === '' ? {} : { 'last-event-id': id })
          : await listen(gateway.port, id === '' ? `${path}?after=0` : `${path}?lastEventId=${id}`);
      await publish(gateway, 'a.b', `live ${round}`);
      const expected = (round === 0 ? 5 : 2) + 1;
      await client.gather(expected);
      client.cut();
      seen.push(...client.seqs);
      id = client.lastId;
      await publish(gateway, 'a.b', 'missed', 'missed');
    }
    expect(seen).toEqual(Array.from({ length: 6 + 3 * 3 }, (_, i) => i + 1));
  });

  it('begins with so many of the last events, and comes back by the place that it gave', async () => {
    const gateway = await startGateway();
    await publish(gateway, 'a.b', 1, 2, 3);
    const first = await listen(gateway.port, `${path}?last=2`);
    await first.gather(2);
    expect(first.seqs).toEqual([2, 3]);
    first.cut();
    await publish(gateway, 'a.b', 4, 5, 6);
    const second = await listen(gateway.port, `${path}?last=2`, { 'last-event-id': first.lastId });
    await second.gather(3);
    expect(second.seqs).toEqual([4, 5, 6]);
    for (const last of ['0', '1001', 'x', '-1', '1e2'])
      expect(await refusal(gateway.port, `${path}?last=${last}`)).toMatchObject({ status: 400 });
  });

  it('gives a place to come back to before the first event came', async () => {
    const gateway = await startGateway();
    for (const before of [0, 1]) {
      const first = await listen(gateway.port, path);
      await until(
        () => first.lastId !== '',
        () => 'an id',
      );
      first.cut();
      await publish(gateway, 'a.b', 'meanwhile');
      const second = await listen(gateway.port, path, { 'last-event-id': first.lastId });
      expect((await second.gather(1))[0]!.data['seq']).toBe(before + 1);
      expect(second.dropped).toEqual([]);
      second.cut();
    }
  });

  it('begins after a number of the numbering that there is', async () => {
    const gateway = await startGateway();
    await publish(gateway, 'a.b', 1, 2, 3, 4);
    const client = await listen(gateway.port, `${path}?after=2`);
    await client.gather(2);
    await publish(gateway, 'a.b', 5);
    await client.gather(3);
    expect(client.seqs).toEqual([3, 4, 5]);
  });

  it('tells what is not kept any more, and goes on with what is', async () => {
    const gateway = await startGateway({ AGENTWIRE_HISTORY_SIZE: '3' });
    const first = await listen(gateway.port, path);
    await publish(gateway, 'a.b', 1, 2);
    await first.gather(2);
    first.cut();
    await publish(gateway, 'a.b', 3, 4, 5, 6, 7);
    const second = await listen(gateway.port, path, { 'last-event-id': first.lastId });
    await second.gather(3);
    expect(second.all[0]).toMatchObject({
      event: 'dropped',
      data: { type: 'dropped', topic: 'a.b', from: 3, to: 4, count: 2 },
    });
    expect(second.seqs).toEqual([5, 6, 7]);
  });

  it('tells a position of another numbering from one of its own', async () => {
    const gateway = await startGateway();
    await publish(gateway, 'a.b', 1, 2);
    const known = (await gateway.http('GET', path)).json<{ epoch: string }>();
    for (const id of ['other:1', `${known.epoch}:99`]) {
      const client = await listen(gateway.port, path, { 'last-event-id': id });
      await client.gather(2);
      expect(client.dropped).toEqual([{ type: 'dropped', topic: 'a.b', epoch: known.epoch, reason: 'epoch' }]);
      expect(client.seqs).toEqual([1, 2]);
      client.cut();
    }
  });

  it('is only for those who ask for it: others get the history as JSON', async () => {
    const gateway = await startGateway();
    await publish(gateway, 'a.b', 1);
    for (const accept of ['*/*', 'application/json']) {
      const answer = await gateway.http('GET', path, undefined, { accept });
      expect(answer.json()).toMatchObject({ seq: 1, events: [{ data: 1 }] });
    }
    for (const accept of ['Text/Event-Stream', 'application/json;q=0.5, text/event-stream;q=0.9']) {
      (await listen(gateway.port, path, { accept })).cut();
    }
  });

  it.each([
    ['a wrong position', path, { 'last-event-id': '17' }, 400, 'bad_request'],
    ['a position with a sign', path, { 'last-event-id': 'abc:-1' }, 400, 'bad_request'],
    ['a position with more', path, { 'last-event-id': 'abc:1:2' }, 400, 'bad_request'],
    ['a wrong number', `${path}?after=x`, {}, 400, 'bad_request'],
    ['a bad topic', '/v1/topics/a..b/events', {}, 400, 'bad_request'],
    ['a pattern', '/v1/topics/a.*/events', {}, 400, 'bad_request'],
  ])('refuses %s as any request, before it begins', async (_, where, headers, status, code) => {
    const { port } = await startGateway();
    expect(await refusal(port, where, headers as Record<string, string>)).toMatchObject({ status, code });
  });
});
