import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import { join } from '../../support/client.ts';
import type { Frame, TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';
import type { Http } from '../../support/in-process.ts';
import { recordedTracing } from '../../support/recorded-spans.ts';

type Told = Record<string, unknown>;

const path = '/visualization/ws';
const events = '/visualization/events';
const look = (port: number, options = {}): Promise<TestClient> => join(port, { path, bare: true, ...options });

async function settled(client: TestClient): Promise<void> {
  const pongs = client.of('pong').length + 1;
  client.sendAsIs({ type: 'ping' });
  await client.until(() => client.of('pong').length === pongs, 'a pong');
}

/** By the pong that comes behind it, the subscription holds. */
async function watch(client: TestClient, filters: Told = {}, channels = ['events']): Promise<void> {
  client.sendAsIs({ type: 'subscribe', channels, filters });
  await settled(client);
}

async function feed(http: Http, told: Told | readonly Told[], to = events): Promise<void> {
  const answer = await http('POST', to, told);
  expect([answer.status, answer.json()]).toEqual([200, { stored: Array.isArray(told) ? told.length : 1 }]);
}

async function history(client: TestClient, asked: Told): Promise<Frame[]> {
  const count = client.of('history').length + 1;
  client.sendAsIs({ type: 'history', ...asked });
  await client.until(() => client.of('history').length === count, 'a history');
  return client.of('history').at(-1)!['data'] as Frame[];
}

const dataOf = (frames: readonly Frame[]): unknown[] => frames.map(({ data }) => data);

describe('watching', () => {
  it('brings each its channel as it comes, with the time it came', async () => {
    const { port, http } = await startGateway();
    const [one, other, idle] = [await look(port), await look(port), await look(port)];
    await watch(one, {}, ['events', 'reasoning']);
    await watch(other, {}, ['reasoning']);
    const before = Date.now();
    await feed(http, { agent_id: 'a', step: 1, nested: { x: [null] } });
    await feed(http, { thought: 'ä\n' }, '/visualization/reasoning');
    await one.until(() => one.of('reasoning').length === 1 && one.of('event').length === 1);
    const [event] = one.of('event');
    expect(event).toEqual({
      type: 'event',
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      data: { agent_id: 'a', step: 1, nested: { x: [null] } },
    });
    expect(Date.parse(String(event!['timestamp']))).toBeGreaterThanOrEqual(before);
    await settled(other);
    expect(dataOf(other.of('reasoning'))).toEqual([{ thought: 'ä\n' }]);
    expect(other.of('event')).toEqual([]);
    await settled(idle);
    expect(idle.frames.map(({ type }) => type)).toEqual(['pong']);
  });

  it('filters by equality of all that is named, whatever the values', async () => {
    const { port, http } = await startGateway();
    const fields = ['agent_id', 'event_type', 'session_id'];
    const values = [
      undefined,
      'a',
      'va',
      '-',
      '',
      'ü✓',
      'a.b',
      '*',
      '#',
      '$',
      'A',
      'x'.repeat(63),
      'x'.repeat(5000),
      null,
    ];
    const told = Array.from({ length: 400 }, (_, n): Told => {
      const picks = fields.map((field, i) => [field, values[Math.floor(n / [1, 5, 17][i]!) % values.length]] as const);
      return { n, ...Object.fromEntries(picks.filter(([, value]) => value !== undefined)) };
    });
    const filters: Told[] = [];
    for (let named = 0; named < 8; named += 1) {
      for (const one of told.filter((_, i) => i % 29 === named)) {
        const picked = fields.filter((_, i) => (named & (1 << i)) > 0).map((field) => [field, one[field] ?? null]);
        filters.push(Object.fromEntries(picked) as Told);
      }
    }
    const all = await look(port);
    await watch(all);
    const viewers = await Promise.all(
      filters.map(async (filter) => {
        const client = await look(port);
        await watch(client, filter);
        return { filter, client };
      }),
    );
    await feed(http, told);
    await all.until(() => all.of('event').length === told.length, 'all of it');
    for (const { filter, client } of viewers) {
      await settled(client);
      const wanted = told.filter((one) =>
        Object.entries(filter).every(([field, value]) => value === null || one[field] === value),
      );
      expect(dataOf(client.of('event'))).toEqual(wanted);
    }
  });

  it('a second subscribe replaces the filters of the channels that it names, and an unsubscribe ends them', async () => {
    const { port, http } = await startGateway();
    const client = await look(port);
    const thoughts = '/visualization/reasoning';
    const both = async (n: number): Promise<void> => {
      for (const agent_id of ['a', 'b']) {
        await feed(http, { agent_id, n });
        await feed(http, { agent_id, n }, thoughts);
      }
    };
    const all = await look(port);
    await watch(all, {}, ['events', 'reasoning']);
    const got = async (n: number): Promise<string[]> => {
      await both(n);
      await all.until(() => all.of('event').length + all.of('reasoning').length === 4 * n, 'all of it');
      await settled(client);
      return client.frames
        .splice(0)
        .filter(({ type }) => type !== 'pong')
        .map(({ type, data }) => `${type} ${String((data as Told)['agent_id'])}`)
        .toSorted();
    };
    await watch(client, { agent_id: 'a' }, ['events', 'reasoning', 'events']);
    expect(await got(1)).toEqual(['event a', 'reasoning a']);
    await watch(client, { agent_id: 'b' });
    expect(await got(2)).toEqual(['event b', 'reasoning a']);
    await watch(client, { agent_id: 'b' });
    expect(await got(3)).toEqual(['event b', 'reasoning a']);
    await watch(client);
    expect(await got(4)).toEqual(['event a', 'event b', 'reasoning a']);
    client.sendAsIs({ type: 'unsubscribe', channels: ['events', 'metrics'] });
    expect(await got(5)).toEqual(['reasoning a']);
    await watch(client, {}, ['events']);
    client.sendAsIs({ type: 'unsubscribe' });
    expect(await got(6)).toEqual([]);
  });

  it('does not make the node take every topic of the store, and leaves nothing behind', async () => {
    const calls: boolean[] = [];
    const around = (engine: Engine): Engine => {
      const watchAll = engine.log.watchAll.bind(engine.log);
      engine.log.watchAll = (on) => {
        calls.push(on);
        return watchAll(on);
      };
      return engine;
    };
    const { port, http } = await startGateway({}, { around });
    const subscriptions = async (): Promise<string | undefined> =>
      /^agentwire_subscriptions (.*)$/m.exec((await http('GET', '/metrics')).text)?.[1];
    const clients = await Promise.all(Array.from({ length: 20 }, () => look(port)));
    await Promise.all(clients.map((client, i) => watch(client, { agent_id: String(i % 3) }, ['events', 'metrics'])));
    await feed(http, { agent_id: '1' });
    await clients[1]!.until(() => clients[1]!.of('event').length === 1);
    expect(calls).toEqual([]);
    const native = await join(port);
    await native.request({ type: 'subscribe', topics: ['a.*'] });
    await Promise.all(clients.map((client) => client.close()));
    await expect.poll(subscriptions).toBe('1');
    // Who has a pattern of the store's topics still has it when the last of the node's own is gone.
    await native.request({ type: 'publish', topic: 'a.b', data: 1 });
    await native.gather(1);
    await native.close();
    await expect.poll(subscriptions).toBe('0');
    expect(calls).toEqual([true, false]);
  });

  it('looks the figures up without a trace: nobody asked for them then', async () => {
    const { tracing, spans } = recordedTracing();
    const { port } = await startGateway({}, { tracing });
    const client = await look(port);
    await watch(client, {}, ['metrics']);
    await client.until(() => client.of('metrics').length > 0, 'figures');
    expect(spans.map(({ name }) => name)).toEqual(['visual.watch']);
  });

  it('shows the figures of node and cluster, at once and then every 5 s, made once for all', async () => {
    const clock = new ManualClock();
    const { port } = await startGateway({}, { clock });
    const [one, other] = [await look(port), await look(port)];
    const figures = (client: TestClient, count: number): Promise<void> =>
      client.until(() => client.of('metrics').length === count, `figures ${count}`);
    await watch(one, { agent_id: 'a' }, ['metrics']);
    await figures(one, 1);
    await watch(other, {}, ['metrics']);
    for (let round = 1; round <= 3; round += 1) {
      clock.advance(4900);
      await settled(one);
      expect(one.of('metrics')).toHaveLength(round);
      clock.advance(100);
      await Promise.all([figures(one, round + 1), figures(other, round)]);
    }
    expect(one.of('metrics').slice(1)).toEqual(other.of('metrics'));
    expect(one.of('metrics')[0]).toMatchObject({
      timestamp: expect.stringMatching(/Z$/),
      data: { node: { connections: 2 }, cluster: { nodes: [{}], workers: [] } },
    });
  });
});

describe('feeding', () => {
  it.each<[string, unknown, number, string]>([
    ['no JSON', '{', 400, 'bad_frame'],
    ['nothing', '', 400, 'bad_frame'],
    ['text', '"a"', 400, 'bad_request'],
    ['null', 'null', 400, 'bad_request'],
    ['one of many that is none', [{ n: 1 }, 7], 400, 'bad_request'],
    ['an array in an array', [[]], 400, 'bad_request'],
    ['an agent that is no text', [{ n: 1 }, { agent_id: 7 }], 400, 'bad_request'],
    ['a session that is a map', { session_id: {} }, 400, 'bad_request'],
    ['a key __proto__', '{"__proto__":1}', 400, 'bad_frame'],
    ['too many', Array.from({ length: 1001 }, () => ({})), 400, 'bad_request'],
    ['too much', { text: 'x'.repeat(9000) }, 413, 'payload_too_large'],
  ])('refuses %s, and keeps nothing of it', async (_what, body, status, code) => {
    const { port, http } = await startGateway({ AGENTWIRE_MAX_FRAME_BYTES: '8192' });
    const answer = await http('POST', events, body);
    expect([answer.status, answer.json<{ error: { code: string } }>().error.code]).toEqual([status, code]);
    expect(await history(await look(port), { channel: 'events' })).toEqual([]);
  });

  it('takes a thousand at once, and none', async () => {
    const { port, http } = await startGateway();
    const client = await look(port);
    await watch(client);
    const told = Array.from({ length: 1000 }, (_, n) => ({ n }));
    await feed(http, []);
    await feed(http, told);
    await client.until(() => client.of('event').length === told.length, 'all of it');
    expect(dataOf(client.of('event'))).toEqual(told);
  });
});

describe('the history', () => {
  it('has the messages as they were sent, the newest that the filters let through, oldest first', async () => {
    const { port, http } = await startGateway();
    const client = await look(port);
    await watch(client);
    const told = Array.from({ length: 450 }, (_, n) => ({
      n,
      agent_id: n % 150 === 7 ? 'rare' : 'a.b',
      event_type: '',
    }));
    await feed(http, told);
    await client.until(() => client.of('event').length === told.length, 'all of it');
    const sent = client.of('event');
    expect(await history(client, { channel: 'events' })).toEqual(sent.slice(-100));
    expect(await history(client, { channel: 'events', limit: 1000, filters: null })).toEqual(sent);
    const rare = sent.filter((_, n) => n % 150 === 7);
    expect(await history(client, { channel: 'events', filters: { agent_id: 'rare' } })).toEqual(rare);
    expect(await history(client, { channel: 'events', limit: 2, filters: { agent_id: 'rare' } })).toEqual(
      rare.slice(1),
    );
    expect(await history(client, { channel: 'events', filters: { agent_id: 'rare', event_type: 'x' } })).toEqual([]);
    expect(await history(client, { channel: 'reasoning' })).toEqual([]);

    const asked = async (query: string): Promise<unknown> => (await http('GET', `${events}?${query}`)).json();
    expect(await asked('agent_id=rare&event_type=&limit=2')).toEqual({ channel: 'events', data: rare.slice(1) });
    expect(await asked('agent_id=a.b&limit=1000')).toEqual({
      channel: 'events',
      data: sent.filter((_, n) => n % 150 !== 7),
    });
    for (const limit of ['0', '1001', 'x', '1.5'])
      expect((await http('GET', `${events}?limit=${limit}`)).status).toBe(400);
  });

  it('keeps as many as topics do, and is cut where the answer is long enough', async () => {
    const { http } = await startGateway({ AGENTWIRE_HISTORY_SIZE: '20' });
    const text = 'x'.repeat(200_000);
    for (let n = 0; n < 30; n += 1) await feed(http, { n });
    const numbers = async (): Promise<number[]> => {
      const { data } = (await http('GET', events)).json<{ data: { data: { n: number } }[] }>();
      return data.map((message) => message.data.n);
    };
    expect(await numbers()).toEqual(Array.from({ length: 20 }, (_, i) => i + 10));
    for (let n = 30; n < 40; n += 1) await feed(http, { n, text });
    expect(await numbers()).toEqual([35, 36, 37, 38, 39]);
  });
});

describe('the connection', () => {
  const beats = { AGENTWIRE_HEARTBEAT_MS: '1000', AGENTWIRE_CLIENT_TIMEOUT_MS: '3000' };

  it('gets a heartbeat with each ping, and is closed with 4408 when it shows no life', async () => {
    const clock = new ManualClock();
    const { port } = await startGateway(beats, { clock });
    const [live, stale] = [await look(port), await look(port)];
    stale.pause();
    for (let beat = 1; beat <= 4; beat += 1) {
      clock.advance(1000);
      await live.until(() => live.of('heartbeat').length === beat && live.pings === beat, `heartbeat ${beat}`);
      await settled(live);
    }
    expect(live.of('heartbeat')[0]).toEqual({ type: 'heartbeat' });
    stale.resume();
    expect(await stale.end()).toMatchObject({ code: 4408 });
    expect(live.closed).toBeUndefined();
  });

  it('is compressed for those who offer it, and what others get is the same', async () => {
    const { port, http } = await startGateway();
    const [plain, small] = [await look(port), await look(port, { compress: true })];
    expect([plain.socket.extensions, small.socket.extensions]).toEqual(['', expect.stringContaining('deflate')]);
    let bytes = 0;
    (small.socket as unknown as { _socket: NodeJS.EventEmitter })._socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    await Promise.all([watch(plain), watch(small)]);
    const told = Array.from({ length: 20 }, (_, n) => ({ n, text: 'the same again '.repeat(500) }));
    await feed(http, told);
    for (const client of [plain, small]) {
      await client.until(() => client.of('event').length === told.length, 'all of it');
      expect(dataOf(client.of('event'))).toEqual(told);
    }
    expect(bytes).toBeLessThan(20_000);
  });

  it('ends where a small frame unfolds to more than a frame may have', async () => {
    const { port } = await startGateway({ AGENTWIRE_MAX_FRAME_BYTES: '10000' });
    const client = await look(port, { compress: true });
    client.socket.on('error', () => {});
    client.socket.send(JSON.stringify({ type: 'ping', filling: 'x'.repeat(5_000_000) }));
    expect([1006, 1009]).toContain((await client.end()).code);
    expect(client.frames).toEqual([]);
  });

  it('takes a token with the upgrade, and native clients stay out of the feed', async () => {
    const { port, http } = await startGateway({ AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'one=ann,two=bob' });
    const stranger = await look(port);
    expect((await stranger.end()).code).toBe(4401);
    expect(stranger.of('error')).toHaveLength(1);
    expect((await http('POST', events, {})).status).toBe(401);
    expect((await http('GET', events)).status).toBe(401);
    const ann = await look(port, { path: `${path}?token=one` });
    await watch(ann);
    const posted = await http('POST', events, { n: 1 }, { authorization: 'Bearer two' });
    expect(posted.status).toBe(200);
    await ann.until(() => ann.of('event').length === 1);
    const native = await join(port, { path: '/v1/ws?token=one' });
    await native.request({ type: 'hello', versions: [1] });
    for (const topic of ['$viz.events', '$node.events.*.*.*', '$node.#']) {
      expect(await native.refusal({ type: 'subscribe', topics: [topic] })).toBe('forbidden');
      expect(await native.refusal({ type: 'publish', topic: topic.replace(/[*#]/g, '-'), data: 1 })).toBe('forbidden');
    }
  });
});
