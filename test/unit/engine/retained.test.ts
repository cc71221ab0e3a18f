import { afterAll, beforeAll, expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import { createRedisEngine } from '../../../shared/engine/redis/redis-engine.ts';
import { Bench, body, count, got, until } from '../../contracts/engine-bench.ts';
import { retainedSuite } from '../../contracts/engine-retained.ts';
import { startRedis, type RedisServer } from '../../support/redis-server.ts';

const minute = 60_000;
const closed = () => Promise.resolve();
let server: RedisServer;
let stores = 0;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

function redisEngine(metaTtlMs: number) {
  return createRedisEngine({ url: server.url, prefix: `r${stores++}`, historySize: 1000, historyTtlMs: 1, metaTtlMs });
}

retainedSuite('the memory engine', () => {
  const clock = new ManualClock();
  const engine = createMemoryEngine({
    historySize: 1000,
    historyTtlMs: 10 * minute,
    metaTtlMs: 600 * minute,
    clock,
  });
  const outliveHistory = () => Promise.resolve(clock.advance(11 * minute));
  return { engine, outliveHistory, close: closed };
});

retainedSuite('the redis engine', () => ({
  engine: redisEngine(600_000),
  async outliveHistory(bench) {
    const witness = `witness.${stores++}`;
    await bench.append(witness);
    await until(async () => expect(await bench.seqs(witness)).toEqual([]), 20);
  },
  close: closed,
}));

/** The index of a partition is tidied by what is appended to it: this reaches all of them. */
async function tidied(bench: Bench, gone: string): Promise<void> {
  const { log } = bench.engine;
  await until(async () => {
    const appends = count(600).map((n) => log.append({ topic: `tidy.${n}`, body: body(n) }));
    for (const append of appends) await got(append);
    expect(await got(log.active(0))).not.toContain(gone);
  }, 200);
}

test('the redis engine names what it retained for as long as it does', async () => {
  const bench = await Bench.open(() => Promise.resolve({ engine: redisEngine(600_000), close: closed }));
  const { log } = bench.engine;
  await bench.append('a.b', { retain: true });
  for (const retain of [false, true]) await got(log.append({ topic: 'a.later', body: body(0), retain }));
  const { ts } = await bench.append('a.gone');
  await tidied(bench, 'a.gone');
  expect(await got(log.active(0))).toEqual(expect.arrayContaining(['a.b', 'a.later']));
  // A time that everything retained is older than does not name it.
  expect(await got(log.active(ts + 1500))).not.toContain('a.b');
  await bench.close();
});

test('the redis engine lets go of what it retained together with the numbering', async () => {
  const bench = await Bench.open(() => Promise.resolve({ engine: redisEngine(1500), close: closed }));
  await bench.append('a.b', { retain: true });
  await until(async () => expect(await bench.head('a.b')).toMatchObject({ epoch: '', seq: 0, first: 1 }), 20);
  expect(await bench.seqs('a.b')).toEqual([]);
  await tidied(bench, 'a.b');
  await bench.close();
});

test('the memory engine lets go of what it retained together with the numbering', async () => {
  const clock = new ManualClock();
  const engine = createMemoryEngine({ historySize: 10, historyTtlMs: minute, metaTtlMs: 10 * minute, clock });
  const bench = await Bench.open(() => Promise.resolve({ engine, close: closed }));
  await bench.append('a.b', { retain: true });
  clock.advance(9 * minute);
  expect(await bench.seqs('a.b')).toEqual([1]);
  clock.advance(2 * minute);
  expect(await bench.head('a.b')).toMatchObject({ epoch: '', seq: 0 });
  expect(await got(engine.log.active(0))).toEqual([]);
  await bench.close();
});
