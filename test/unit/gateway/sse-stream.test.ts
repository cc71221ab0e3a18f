import { describe, expect, it } from 'vitest';
import type { Engine } from '../../../shared/engine/engine.ts';
import { startGateway } from '../../support/in-process.ts';
import { listen, refusal, until } from '../../support/sse.ts';

async function append(engine: Engine, topic: string, ...datas: unknown[]): Promise<void> {
  for (const data of datas) {
    expect(await engine.log.append({ topic, body: JSON.stringify({ data }) })).toMatchObject({ ok: true });
  }
}

/** Lets the store's clock, which is the machine's in memory, move on. */
async function laterThan(time: number): Promise<void> {
  await until(
    () => Date.now() > time,
    () => 'the next millisecond',
  );
}

const key = ({ data }: { data: Record<string, unknown> }): string => `${String(data['topic'])} ${String(data['seq'])}`;

describe('a stream of several topics', () => {
  it('brings topics and patterns, each event once however many of them match', async () => {
    const { port, engine } = await startGateway();
    const client = await listen(port, '/v1/stream?topic=a.b&topic=agent.*.status&topic=agent.%23');
    await append(engine, 'a.b', 1);
    await append(engine, 'a.c', 'not asked for');
    await append(engine, 'agent.7.status', 2);
    await append(engine, 'agent.7', 3);
    const events = await client.gather(3);
    expect(events.map(({ data }) => [data['topic'], data['seq'], data['data']])).toEqual([
      ['a.b', 1, 1],
      ['agent.7.status', 1, 2],
      ['agent.7', 1, 3],
    ]);
    for (const { id, data } of events) expect(id).toBe(String(data['ts']));
    expect(events[0]!.data).toMatchObject({ epoch: expect.stringMatching(/./) });
  });

  it('comes back by time, and repeats at most what is of the same millisecond', async () => {
    const { port, engine } = await startGateway();
    const first = await listen(port, '/v1/stream?topic=a.%23');
    await append(engine, 'a.1', 1);
    await append(engine, 'a.2', 2);
    const before = await first.gather(2);
    first.cut();
    await laterThan(Number(first.lastId));
    await append(engine, 'a.1', 3);
    await append(engine, 'a.3', 4);
    const second = await listen(port, '/v1/stream?topic=a.%23', { 'last-event-id': first.lastId });
    await append(engine, 'a.2', 5);
    await until(
      () => second.events.some(({ data }) => data['data'] === 5),
      () => 'the live event',
    );
    const again = second.events.filter((event) => before.some((other) => key(other) === key(event)));
    for (const { data } of again) expect(String(data['ts'])).toBe(first.lastId);
    const fresh = second.events.filter((event) => !again.includes(event));
    expect(new Set(fresh.map(({ data }) => data['data']))).toEqual(new Set([3, 4, 5]));
    expect(fresh).toHaveLength(3);
    expect(new Set(second.events.map(key)).size).toBe(second.events.length);
  });

  it('begins with so many of the last events of each topic', async () => {
    const { port, engine } = await startGateway();
    await append(engine, 'a.1', 1, 2, 3);
    await append(engine, 'a.2', 1);
    await append(engine, 'b', 1, 2);
    const client = await listen(port, '/v1/stream?topic=a.*&topic=b&last=1');
    await client.gather(3);
    expect(client.events.map(key).sort()).toEqual(['a.1 3', 'a.2 1', 'b 2']);
    expect(await refusal(port, '/v1/stream?topic=a.*&last=1001')).toMatchObject({ status: 400 });
  });

  it('gives a time to come back to before the first event came', async () => {
    const { port, engine } = await startGateway();
    const first = await listen(port, '/v1/stream?topic=a.*&topic=b');
    await until(
      () => first.lastId !== '',
      () => 'an id',
    );
    first.cut();
    await append(engine, 'a.1', 'missed');
    const second = await listen(port, `/v1/stream?topic=a.*&topic=b&lastEventId=${first.lastId}`);
    expect((await second.gather(1))[0]!.data).toMatchObject({ topic: 'a.1', data: 'missed' });
  });

  it('gives no time while it replays topic by topic, and one when all of it is there', async () => {
    // All but the topic that is read first are held back: a client cut off now must not come back with a time of that one.
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    let firstRead: string | undefined;
    const { port, engine } = await startGateway(
      {},
      {
        around(store) {
          const read = store.log.read.bind(store.log);
          store.log.read = async (topic, range) => {
            firstRead ??= topic;
            if (topic !== firstRead) await gate;
            return read(topic, range);
          };
          return store;
        },
      },
    );
    const start = Date.now();
    await append(engine, 'a.1', 1);
    await append(engine, 'a.2', 2);
    await append(engine, 'a.3', 3);
    const client = await listen(port, '/v1/stream?topic=a.*', { 'last-event-id': String(start) });
    await client.gather(1);
    expect(client.lastId).toBe('');
    open();
    const replayed = await client.gather(3);
    await until(
      () => client.lastId !== '',
      () => 'an id',
    );
    for (const { data } of replayed) expect(Number(client.lastId)).toBeGreaterThanOrEqual(Number(data['ts']));
    await append(engine, 'a.1', 'live');
    const live = (await client.gather(4))[3]!;
    expect(live).toMatchObject({ id: String(live.data['ts']), data: { data: 'live' } });
  });

  it('tells that what was asked for is not all kept any more', async () => {
    const { port, engine } = await startGateway({ AGENTWIRE_HISTORY_SIZE: '2' });
    const first = await listen(port, '/v1/stream?topic=a.%23&topic=b');
    await until(
      () => first.lastId !== '',
      () => 'an id',
    );
    first.cut();
    await append(engine, 'a.1', 1, 2, 3, 4);
    const second = await listen(port, '/v1/stream?topic=a.%23&topic=b', { 'last-event-id': first.lastId });
    await second.gather(2);
    expect(second.all[0]).toMatchObject({ event: 'dropped' });
    expect(second.dropped).toEqual([{ type: 'dropped', topic: 'a.#', reason: 'history' }]);
    expect(second.seqs).toEqual([3, 4]);
  });

  it.each([
    ['no topic', '/v1/stream', {}, 400, 'bad_request'],
    ['a bad topic among good ones', '/v1/stream?topic=a.b&topic=a..b', {}, 400, 'bad_request'],
    ['a position for a time', '/v1/stream?topic=a', { 'last-event-id': 'abc:1' }, 400, 'bad_request'],
    ['too many topics', '/v1/stream?topic=a&topic=b&topic=c', {}, 429, 'quota_exceeded'],
  ])('refuses %s as any request, before it begins', async (_, where, headers, status, code) => {
    const { port } = await startGateway({ AGENTWIRE_MAX_SUBSCRIPTIONS: '2' });
    expect(await refusal(port, where, headers as Record<string, string>)).toMatchObject({ status, code });
  });
});
