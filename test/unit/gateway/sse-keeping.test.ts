import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import { join, Refused } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';
import type { InProcess } from '../../support/in-process.ts';
import { listen, refusal, until } from '../../support/sse.ts';

const guarded = { AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'tok-a=alice' };
const topicPath = '/v1/topics/a.b/events';

async function append(engine: Engine, count: number, data: string): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    await engine.log.append({ topic: 'a.b', body: JSON.stringify({ data }) });
  }
}

interface Figures {
  node: { connections: number; subscriptions: number; behindConnections: number };
}

async function figures({ http }: InProcess): Promise<Figures['node']> {
  return (await http('GET', '/v1/cluster')).json<Figures>().node;
}

describe.each([topicPath, '/v1/stream?topic=a.b&topic=c.*'])('a stream at %s', (path) => {
  it('takes a token in the header or the query, and is refused without one', async () => {
    const { port } = await startGateway(guarded);
    const more = path.includes('?') ? '&' : '?';
    (await listen(port, path, { authorization: 'Bearer tok-a' })).cut();
    (await listen(port, `${path}${more}token=tok-a`)).cut();
    for (const where of [path, `${path}${more}token=wrong`]) {
      expect(await refusal(port, where)).toMatchObject({ status: 401, code: 'unauthenticated' });
    }
  });

  it('counts as a connection, with its subscriptions, until the client leaves', async () => {
    const gateway = await startGateway();
    const before = await figures(gateway);
    const client = await listen(gateway.port, path);
    const names = path === topicPath ? 1 : 2;
    expect(await figures(gateway)).toMatchObject({ connections: 1, subscriptions: names });
    expect((await gateway.http('GET', '/metrics')).text).toContain(
      'agentwire_connections_opened_total{dialect="sse"} 1\n',
    );
    client.cut();
    let now = await figures(gateway);
    while (now.connections > 0) now = await figures(gateway);
    expect(now).toMatchObject({ connections: before.connections, subscriptions: before.subscriptions });
  });

  it('has no place where connections are at their limit', async () => {
    const { port } = await startGateway({ AGENTWIRE_MAX_CONNECTIONS: '1' });
    const client = await listen(port, path);
    expect(await refusal(port, path)).toEqual({ status: 503, code: 'busy', retryAfter: '1' });
    expect(await join(port).catch((error: unknown) => error)).toBeInstanceOf(Refused);
    client.cut();
  });

  it('is kept awake by a comment every 15 seconds', async () => {
    const clock = new ManualClock();
    const gateway = await startGateway({}, { clock });
    const client = await listen(gateway.port, path);
    await until(
      () => client.comments === 1 && client.lastId !== '',
      () => 'the beginning',
    );
    for (let comments = 2; comments < 5; comments += 1) {
      clock.advance(13_000);
      await figures(gateway);
      expect(client.comments).toBe(comments - 1);
      clock.advance(2000);
      await until(
        () => client.comments === comments,
        () => `comment ${comments}`,
      );
    }
  });

  it('ends when the node drains, which takes no new ones then', async () => {
    const { port, gateway, engine } = await startGateway();
    const client = await listen(port, path);
    await append(engine, 1, 'last');
    await client.gather(1);
    const drained = gateway.drain(400);
    expect(await refusal(port, path)).toMatchObject({ status: 503, code: 'busy' });
    await drained;
    await client.end();
    expect(client.response.complete).toBe(true);
  });

  it('leaves nothing behind when it was only asked for with HEAD', async () => {
    const gateway = await startGateway();
    const answer = await gateway.http('HEAD', path, undefined, { accept: 'text/event-stream' });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    expect(await figures(gateway)).toMatchObject({ connections: 0, subscriptions: 0 });
  });

  it('leaves nothing behind when the client goes before it is there', async () => {
    let asked = 0;
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const gateway = await startGateway(
      {},
      {
        around(store) {
          const heads = store.log.heads.bind(store.log);
          store.log.heads = async (asks) => {
            asked += 1;
            await gate;
            return heads(asks);
          };
          return store;
        },
      },
    );
    const leaving = new AbortController();
    const answer = fetch(gateway.url + path, { headers: { accept: 'text/event-stream' }, signal: leaving.signal });
    await until(
      () => asked > 0,
      () => 'the question to the store',
    );
    leaving.abort();
    await expect(answer).rejects.toThrow(/abort/);
    expect((await figures(gateway)).subscriptions).toBeGreaterThan(0);
    open();
    let now = await figures(gateway);
    while (now.subscriptions > 0) now = await figures(gateway);
    expect(now).toMatchObject({ connections: 0, subscriptions: 0 });
  });

  it('answers a store that is away with an error, and leaves nothing behind', async () => {
    const gateway = await startGateway(
      {},
      {
        around(store) {
          store.log.heads = () => Promise.resolve({ ok: false, code: 'unavailable', message: 'away' });
          return store;
        },
      },
    );
    expect(await refusal(gateway.port, path)).toEqual({ status: 503, code: 'unavailable', retryAfter: '1' });
    expect(await figures(gateway)).toMatchObject({ connections: 0, subscriptions: 0 });
  });
});

describe('a reader that does not keep up', () => {
  const queue = 20;
  const big = 'x'.repeat(100_000);

  it('is held in bounds, told what it missed, and gets the newest', async () => {
    const { port, engine, http } = await startGateway({ AGENTWIRE_QUEUE: String(queue) });
    const slow = await listen(port, topicPath);
    const quick = await listen(port, topicPath);
    slow.pause();
    const total = 300;
    for (let sent = 0; sent < total; sent += 10) {
      await append(engine, 10, big);
      await quick.gather(sent + 10);
    }
    const behind = (await http('GET', '/v1/cluster')).json<Figures>().node;
    expect(behind.behindConnections).toBe(1);
    slow.resume();
    await until(
      () => slow.seqs.at(-1) === total,
      () => `the newest event; the last is ${String(slow.seqs.at(-1))}`,
    );
    const missed = slow.dropped.flatMap(({ from, to }) =>
      Array.from({ length: Number(to) - Number(from) + 1 }, (_, i) => Number(from) + i),
    );
    expect(missed.length).toBeGreaterThan(0);
    expect([...slow.seqs.map(Number), ...missed].sort((a, b) => a - b)).toEqual(
      Array.from({ length: total }, (_, i) => i + 1),
    );
    for (const { topic, count, from, to } of slow.dropped as Record<string, number | string>[]) {
      expect([topic, count]).toEqual(['a.b', Number(to) - Number(from) + 1]);
    }
    // In the order of the stream: what is sent, and what is said to be missing, never go back.
    const places = slow.all.map(({ event, data }) => Number(event === 'dropped' ? data['to'] : data['seq']));
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  it('is closed when it has not read for as long as a client may be silent', async () => {
    const clock = new ManualClock();
    const env = { AGENTWIRE_CLIENT_TIMEOUT_MS: '3000', AGENTWIRE_HEARTBEAT_MS: '1000' };
    const gateway = await startGateway(env, { clock });
    const slow = await listen(gateway.port, topicPath);
    const quick = await listen(gateway.port, topicPath);
    slow.pause();
    for (let sent = 0; (await figures(gateway)).behindConnections === 0; sent += 10) {
      await append(gateway.engine, 10, big);
      await quick.gather(sent + 10);
    }
    clock.advance(2000);
    expect(await figures(gateway)).toMatchObject({ connections: 2 });
    clock.advance(2000);
    expect(await figures(gateway)).toMatchObject({ connections: 1, subscriptions: 1, behindConnections: 0 });
    slow.resume();
    await slow.end();
    const before = quick.events.length;
    await append(gateway.engine, 1, 'still here');
    await quick.gather(before + 1);
  });
});
