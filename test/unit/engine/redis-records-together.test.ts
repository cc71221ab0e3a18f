import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Change, Engine } from '../../../shared/engine/engine.ts';
import { body, codeOf, count, got } from '../../contracts/engine-bench.ts';
import { startEngine } from '../../support/engine-traffic.ts';
import { startRedis, type RedisServer } from '../../support/redis-server.ts';

describe('records on redis, of one turn', () => {
  let server: RedisServer;
  let admin: Redis;
  let engine: Engine;

  beforeAll(async () => {
    server = await startRedis();
    admin = new Redis(server.url);
    ({ engine } = await startEngine(server.url));
    // Teaches the server the scripts.
    await got(engine.records.commit('run.first', { append: [{ topic: 'run.first', body: body(0) }] }));
    await got(engine.log.append({ topic: 'first', body: body(0) }));
    await got(engine.records.read('run.first', ['r']));
  });
  beforeEach(() => admin.config('RESETSTAT'));
  afterAll(async () => {
    await engine.stop();
    admin.disconnect();
    await server.stop();
  });

  async function calls(): Promise<number> {
    return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await admin.info('commandstats'))?.[1]);
  }

  const put = (home: string, change: Change = {}): ReturnType<Engine['records']['commit']> =>
    engine.records.commit(home, {
      expect: [{ key: 'r', rev: 0 }],
      put: [{ key: 'r', value: home }],
      append: [{ topic: `${home}.x`, body: body(1) }],
      ...change,
    });

  it('are committed in one call, 32 at most', async () => {
    const homes = count(33).map((n) => `run.many-${n}`);
    for (const { appended } of await Promise.all(homes.map((home) => got(put(home)))))
      expect(appended).toMatchObject([{ seq: 1 }]);
    expect(await calls()).toBe(2);
  });

  it('are read in one call, 32 records at most, each question with its answer', async () => {
    const homes = count(17).map((n) => `run.read-${n}`);
    for (const home of homes.slice(1)) await got(put(home));
    await admin.config('RESETSTAT');
    const read = await Promise.all(homes.map((home) => got(engine.records.read(home, ['none', 'r']))));
    expect(read).toEqual(homes.map((home, i) => [undefined, i === 0 ? undefined : { value: home, rev: 1 }]));
    expect(await calls()).toBe(2);
  });

  it('are read in a call of their own where one question is for more', async () => {
    await got(put('run.crowd'));
    await admin.config('RESETSTAT');
    const many = ['r', ...count(99).map(String)];
    const ask = (keys: string[]) => got(engine.records.read('run.crowd', keys));
    const read = await Promise.all([ask(['r']), ask(many), ask(many), ask(['r']), ask(['none', 'r'])]);
    const found = { value: 'run.crowd', rev: 1 };
    const crowd = [found, ...count(99).map(() => undefined)];
    expect(read).toEqual([[found], crowd, crowd, [found], [undefined, found]]);
    expect(await calls()).toBe(4);
  });

  it('are changed or refused each by itself', async () => {
    await got(engine.log.append({ topic: 'run.sealed.x', body: body(1), seal: true }));
    await got(put('run.twice'));
    const [first, stale, second, refused, same, third] = await Promise.all([
      got(put('run.one')),
      codeOf(put('run.twice')),
      got(put('run.two')),
      codeOf(put('run.sealed')),
      codeOf(put('run.one')),
      got(put('run.three', { append: [] })),
    ]);
    expect([first, second, third].map(({ appended }) => appended.length)).toEqual([1, 1, 0]);
    expect([stale, refused, same]).toEqual(['conflict', 'conflict', 'conflict']);
    expect(await got(engine.records.read('run.sealed', ['r']))).toEqual([undefined]);
    expect(await got(engine.records.read('run.three', ['r']))).toEqual([{ value: 'run.three', rev: 1 }]);
  });

  it('are committed in their places among the appends around them', async () => {
    const topic = 'run.mixed';
    const append = (n: number) => engine.log.append({ topic, body: body(n) });
    const commit = (n: number) => engine.records.commit(topic, { append: [{ topic, body: body(n) }] });
    await Promise.all([commit(1), append(2), commit(3), commit(4), append(5), append(6), commit(7)]);
    expect(await calls()).toBe(5);
    const { events } = await got(engine.log.read(topic, { limit: 10 }));
    expect(events.map((event) => event.body)).toEqual(count(7).map(body));
  });
});
