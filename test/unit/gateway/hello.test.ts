import { describe, expect, it } from 'vitest';
import { codeOf, join } from '../../support/client.ts';
import type { Format } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

describe.each<Format>(['json', 'msgpack'])('hello in %s', (format) => {
  it('tells the client all that it has to know of the node', async () => {
    const { port } = await startGateway({ AGENTWIRE_QUEUE: '77', AGENTWIRE_MAX_SUBSCRIPTIONS: '9' });
    const client = await join(port, { format });
    const before = Date.now();
    const result = await client.request({ type: 'hello', versions: [1], client: 'test/1' });
    expect(result).toEqual({
      version: 1,
      connection: expect.stringMatching(/^[0-9a-f-]{36}$/),
      node: expect.stringMatching(/^[a-z0-9]+$/),
      server: '0.0.0-test',
      time: expect.any(Number),
      heartbeat: { intervalMs: 25_000, timeoutMs: 60_000 },
      limits: { maxFrameBytes: 1_048_576, maxSubscriptions: 9, queue: 77 },
      identity: 'anonymous',
    });
    expect(result['time']).toBeGreaterThanOrEqual(before);
  });

  it('takes the version that both sides speak, and no second hello', async () => {
    const { port } = await startGateway();
    const client = await join(port, { format });
    expect(await client.refusal({ type: 'hello', versions: [99, 0, -1, 1.5] })).toBe('unsupported_version');
    expect(await client.refusal({ type: 'hello', versions: [] })).toBe('unsupported_version');
    expect(await client.request({ type: 'hello', versions: [99, 1] })).toMatchObject({ version: 1 });
    expect(await client.refusal({ type: 'hello', versions: [1] })).toBe('conflict');
    expect(await client.request({ type: 'publish', topic: 'a.b', data: 1 })).toMatchObject({ seq: 1 });
  });

  it('lets two hellos that come together have one answer each, and one of them a conflict', async () => {
    const { port } = await startGateway();
    const client = await join(port, { format });
    const answers = [client.ask({ type: 'hello', versions: [1] }), client.ask({ type: 'hello', versions: [1] })];
    const [first, second] = await Promise.all(answers);
    expect(first?.type).toBe('ok');
    expect(codeOf(second!)).toBe('conflict');
  });

  it('is not needed where authentication is off', async () => {
    const { port } = await startGateway();
    const client = await join(port, { format });
    expect(await client.request({ type: 'subscribe', topics: ['a.b'] })).toMatchObject({
      subscriptions: [{ topic: 'a.b', pattern: false, epoch: '', seq: 0 }],
    });
  });
});

describe('frames', () => {
  it('are JSON or MessagePack by the subprotocol, which is echoed', async () => {
    const { port } = await startGateway();
    for (const format of ['json', 'msgpack'] as const) {
      const client = await join(port, { format });
      expect(client.protocol).toBe(`agentwire.v1.${format}`);
      expect(await client.ask({ type: 'ping' })).toMatchObject({ type: 'pong' });
    }
  });

  it('are in the format of the first one where no subprotocol was offered', async () => {
    const { port } = await startGateway();
    for (const format of ['json', 'msgpack'] as const) {
      const client = await join(port, { format, bare: true });
      expect(client.protocol).toBe('');
      await client.request({ type: 'subscribe', topics: ['a.b'] });
      await client.request({ type: 'publish', topic: 'a.b', data: { n: 1 } });
      expect((await client.gather(1))[0]).toMatchObject({ topic: 'a.b', data: { n: 1 } });
    }
  });

  it('of the other format are refused in the format of the connection, which lives on', async () => {
    const { port } = await startGateway();
    const client = await join(port, { format: 'json' });
    client.socket.send(new Uint8Array([0x81, 0xa4, 0x74, 0x79, 0x70, 0x65, 0xa4, 0x70, 0x69, 0x6e, 0x67]));
    expect(codeOf(await client.waitFor((frame) => frame.type === 'error'))).toBe('bad_frame');
    expect((await client.ask({ type: 'ping' })).type).toBe('pong');
  });

  it('get their id back as it came: a string, a number, zero, an empty string', async () => {
    const { port } = await startGateway();
    for (const format of ['json', 'msgpack'] as const) {
      const client = await join(port, { format });
      for (const id of ['x', 7, 0, '', -1, 1.5, 'ü☃', 2 ** 40]) {
        expect(await client.ask({ type: 'publish', topic: 'a.b', data: 1, id })).toMatchObject({ type: 'ok', id });
        expect(await client.ask({ type: 'publish', topic: '', data: 1, id: `${id}!` })).toMatchObject({
          type: 'error',
          id: `${id}!`,
        });
      }
    }
  });

  it('without an id are answered only when they fail', async () => {
    const { port } = await startGateway();
    const client = await join(port);
    for (const topics of [['a.b'], ['a.c']]) client.sendAsIs({ type: 'subscribe', topics });
    client.sendAsIs({ type: 'publish', topic: 'a.b', data: 1 });
    client.sendAsIs({ type: 'history', topic: 'a.b', id: null });
    client.sendAsIs({ type: 'publish', topic: 'run.x', data: 1 });
    await client.waitFor((frame) => frame.type === 'error');
    await client.gather(1);
    await client.ask({ type: 'ping' });
    expect(client.frames.map((frame) => frame.type).sort()).toEqual(['error', 'event', 'pong']);
    expect(client.of('error')[0]).not.toHaveProperty('id');
  });

  it('may carry null for every optional field', async () => {
    const { port } = await startGateway();
    for (const format of ['json', 'msgpack'] as const) {
      const client = await join(port, { format });
      const topic = `a.${format}`;
      await client.request({ type: 'hello', versions: [1], token: null, client: null });
      await client.request({ type: 'subscribe', topics: [{ topic, since: null }], presence: null });
      await client.request({ type: 'publish', topic, data: null, messageId: null, ephemeral: null });
      const history = { type: 'history', topic, after: null, limit: null, reverse: null };
      expect(await client.request(history)).toMatchObject({ events: [{ data: null }] });
      expect((await client.gather(1))[0]).not.toHaveProperty('messageId');
    }
  });

  it('may carry fields that nobody knows', async () => {
    const { port } = await startGateway();
    const client = await join(port);
    expect(await client.request({ type: 'publish', topic: 'a.b', data: 1, wish: { x: 1 } })).toMatchObject({ seq: 1 });
  });

  it('ask for a pong with and without an id', async () => {
    const { port } = await startGateway();
    const client = await join(port);
    client.sendAsIs({ type: 'ping' });
    const bare = await client.waitFor((frame) => frame.type === 'pong');
    expect(Object.keys(bare).sort()).toEqual(['ts', 'type']);
    expect(await client.ask({ type: 'ping', id: 'p' })).toEqual({ type: 'pong', id: 'p', ts: expect.any(Number) });
  });
});
