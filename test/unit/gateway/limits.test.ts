import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import { codeOf, join, Refused } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

/** A store whose appends wait until `open` is called: what a slow one does, for as long as the test needs it. */
function gate(): { around: (engine: Engine) => Engine; open: () => void; waiting: () => number } {
  let waiting: (() => void)[] | undefined = [];
  return {
    around: (engine) => {
      const append = engine.log.append.bind(engine.log);
      engine.log.append = async (event) => {
        if (waiting) await new Promise<void>((resolve) => waiting?.push(resolve));
        return append(event);
      };
      return engine;
    },
    open: () => {
      const all = waiting ?? [];
      waiting = undefined;
      for (const resolve of all) resolve();
    },
    waiting: () => waiting?.length ?? 0,
  };
}

describe('connections', () => {
  it('over the limit are refused with 503 and Retry-After, and taken again when one has left', async () => {
    const { port } = await startGateway({ AGENTWIRE_MAX_CONNECTIONS: '2' });
    const clients = [await join(port), await join(port)];
    const refused = await join(port).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Refused);
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': expect.stringMatching(/^\d+$/) } });
    await clients[0]!.close();
    const again = await join(port);
    expect((await again.ask({ type: 'ping' })).type).toBe('pong');
  });
});

describe('subscriptions', () => {
  it('over the limit are refused as a whole, and those there are go on', async () => {
    const { port } = await startGateway({ AGENTWIRE_MAX_SUBSCRIPTIONS: '3' });
    const client = await join(port);
    await client.request({ type: 'subscribe', topics: ['a.1', 'a.2'] });
    expect(await client.refusal({ type: 'subscribe', topics: ['a.3', 'a.4'] })).toBe('quota_exceeded');
    await client.request({ type: 'publish', topic: 'a.3', data: 'not for it' });
    // The same string again counts once, in one request and over two.
    await client.request({ type: 'subscribe', topics: ['a.1', 'a.3', 'a.3'] });
    expect(await client.refusal({ type: 'subscribe', topics: ['a.4'] })).toBe('quota_exceeded');
    await client.request({ type: 'unsubscribe', topics: ['a.1'] });
    await client.request({ type: 'subscribe', topics: ['a.4'] });
    await client.request({ type: 'publish', topic: 'a.4', data: 'for it' });
    expect((await client.gather(1)).map((event) => event.data)).toEqual(['for it']);
  });
});

describe('a frame', () => {
  it('over the limit closes with 1009, one at the limit does not', async () => {
    const { port } = await startGateway({ AGENTWIRE_MAX_FRAME_BYTES: '1024' });
    const client = await join(port);
    const frame = (size: number): string => {
      const empty = JSON.stringify({ type: 'publish', id: 1, topic: 'a.b', data: '' });
      return empty.replace('""', `"${'x'.repeat(size - empty.length)}"`);
    };
    client.socket.send(frame(1024));
    expect((await client.answerTo(1)).type).toBe('ok');
    client.socket.send(frame(1025));
    expect(await client.end()).toMatchObject({ code: 1009 });
  });

  it('that is bad gets an error each time, and ten in a row close with 4400', async () => {
    const { port } = await startGateway();
    const client = await join(port);
    for (let i = 0; i < 10; i += 1) client.socket.send('{');
    expect(await client.end()).toMatchObject({ code: 4400 });
    expect(client.frames.map(codeOf)).toEqual(Array.from({ length: 10 }, () => 'bad_frame'));
  });

  it('that is good ends a row of bad ones, and so does one that asks for what may not be', async () => {
    const { port } = await startGateway();
    const client = await join(port);
    for (const good of [{ type: 'ping' }, { type: 'nonsense' }, { type: 'publish' }]) {
      for (let i = 0; i < 9; i += 1) client.socket.send('{');
      await client.ask(good);
    }
    for (let i = 0; i < 9; i += 1) client.socket.send('{');
    expect((await client.ask({ type: 'ping' })).type).toBe('pong');
    expect(client.of('error')).toHaveLength(9 * 4 + 2);
  });
});

describe('requests', () => {
  it('over the rate are rate_limited until the next second', async () => {
    const clock = new ManualClock(1_700_000_000_000);
    const { port } = await startGateway({ AGENTWIRE_RATE_MESSAGES: '5' }, { clock });
    const [client, other] = [await join(port), await join(port)];
    const publish = { type: 'publish', topic: 'a.b', data: 1 };
    for (let i = 0; i < 5; i += 1) await client.request(publish);
    const refused = await client.ask({ ...publish, id: 'sixth' });
    expect(refused).toMatchObject({ id: 'sixth', error: { code: 'rate_limited', retryable: true } });
    expect((await other.ask({ type: 'ping' })).type).toBe('pong');
    clock.advance(1000);
    expect(await client.request(publish)).toMatchObject({ seq: 6 });
  });

  it('beyond those under way wait, beyond those that wait are busy, and a client that goes on is closed with 4429', async () => {
    const store = gate();
    const { port } = await startGateway({ AGENTWIRE_MAX_INFLIGHT: '4' }, store);
    const client = await join(port);
    const other = await join(port);
    const waiting = 16_384;
    for (let i = 1; i <= 4 + waiting + 1; i += 1) client.send({ type: 'publish', topic: 'a.b', data: i, id: i });
    const refused = await client.waitFor((frame) => frame.type === 'error');
    expect(refused).toMatchObject({ id: 4 + waiting + 1, error: { code: 'busy', retryable: true } });
    expect(store.waiting()).toBe(4);
    expect((await other.ask({ type: 'ping' })).type).toBe('pong');

    store.open();
    const last = await client.answerTo(4 + waiting);
    expect(last).toMatchObject({ type: 'ok', result: { seq: 4 + waiting } });
    const answers = client.of('ok').map((frame) => frame.id);
    expect(answers).toEqual(Array.from({ length: 4 + waiting }, (_, i) => i + 1));
  });

  it('that keep coming although they are refused close with 4429', async () => {
    const clock = new ManualClock(1_700_000_000_000);
    const { port } = await startGateway({ AGENTWIRE_RATE_MESSAGES: '1' }, { clock });
    const client = await join(port);
    for (let i = 0; i < 1100; i += 1) client.send({ type: 'ping' });
    expect(await client.end()).toMatchObject({ code: 4429 });
    expect(client.of('error').length).toBeGreaterThan(900);
  });
});
