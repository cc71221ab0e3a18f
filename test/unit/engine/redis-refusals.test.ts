import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Engine } from '../../../shared/engine/engine.ts';
import { createRedisEngine } from '../../../shared/engine/redis/redis-engine.ts';
import { Refusals } from '../../../shared/engine/redis/refusals.ts';
import { startRedis } from '../../support/redis-server.ts';
import type { RedisServer } from '../../support/redis-server.ts';

describe('a redis that takes no changes', () => {
  let server: RedisServer;
  let admin: Redis;
  let engine: Engine;
  let warnings: string[];

  beforeEach(async () => {
    server = await startRedis();
    admin = new Redis(server.url);
    warnings = [];
    engine = createRedisEngine({
      url: server.url,
      historySize: 1000,
      historyTtlMs: 60_000,
      metaTtlMs: 600_000,
      onWarning: (message) => warnings.push(message),
    });
    await engine.start();
    // Of maxmemory-policy, which is no concern here.
    warnings.length = 0;
  });

  afterEach(async () => {
    await engine.stop();
    admin.disconnect();
    await server.stop();
  });

  const append = (n: number) => engine.log.append({ topic: 'a', body: `{"data":${n}}` });

  it.each([
    ['OOM', 'full', 'maxmemory', '1', '0'],
    ['NOREPLICAS', 'without enough replicas', 'min-replicas-to-write', '1', '0'],
  ])('says so and not that it is away: %s, %s', async (code, _why, setting, on, off) => {
    expect(await append(1)).toMatchObject({ ok: true });
    expect(engine.refused()).toBe(0);
    await admin.config('SET', setting, on);
    for (let n = 2; n < 12; n++) {
      const refused = await append(n);
      expect(refused).toMatchObject({ code: 'unavailable', message: expect.stringContaining('takes no changes') });
    }
    expect(await engine.queue('runs').add({ id: 'r', data: '1' })).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('takes no changes'),
    });
    expect(engine.refused()).toBe(11);
    expect(warnings).toEqual([
      expect.stringMatching(`^Redis at 127.0.0.1:${server.port} refused a command:.* ${code} `),
    ]);
    // What is there can be read, so nobody should be sent elsewhere.
    expect(engine.ready()).toBe(true);
    const read = await engine.log.read('a', { after: 0, limit: 10 });
    expect(read.ok && read.value.events).toHaveLength(1);

    await admin.config('SET', setting, off);
    expect(await append(12)).toMatchObject({ ok: true, value: { seq: 2 } });
    expect(engine.refused()).toBe(11);
  });

  it('is one with another master where sentinels may have made one: the connection is made anew', async () => {
    await admin.replicaof('127.0.0.1', 1);
    expect(await append(1)).toMatchObject({ message: expect.stringContaining('takes no changes') });
    expect(engine.refused()).toBe(1);
    expect(engine.ready()).toBe(false);
    await admin.replicaof('NO', 'ONE');
    await vi.waitFor(() => expect(engine.ready()).toBe(true), { timeout: 15_000, interval: 20 });
  });
});

describe('what is said of refusals', () => {
  function told(): { refusals: Refusals; warnings: string[]; pass: (ms: number) => void } {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const warnings: string[] = [];
    return {
      refusals: new Refusals((message) => warnings.push(message)),
      warnings,
      pass: (ms) => void vi.advanceTimersByTime(ms),
    };
  }

  it('is a line for each code in ten seconds, which counts those that had none', () => {
    const { refusals, warnings, pass } = told();
    const first = 'Redis at h:1 refused a command: ';
    for (let i = 0; i < 500; i++) refusals.refused('h:1', 'OOM command not allowed');
    refusals.refused('h:1', 'ERR unknown');
    expect(warnings).toEqual([`${first}OOM command not allowed`, `${first}ERR unknown`]);
    pass(10_000);
    refusals.refused('h:1', 'OOM command not allowed');
    pass(10_000);
    refusals.refused('h:1', 'OOM command not allowed');
    expect(warnings.slice(2)).toEqual([
      `${first}OOM command not allowed; 499 more with OOM since that was last said`,
      `${first}OOM command not allowed`,
    ]);
  });

  it.each([
    ['OOM command not allowed when used memory', true],
    ['MISCONF Errors writing to the AOF file: No space left on device', true],
    ['READONLY You can’t write against a read only replica.', true],
    ['NOREPLICAS Not enough good replicas to write.', true],
    ['ERR Error running script (call to f_1): @user_script:1: -OOM command not allowed', true],
    [
      "ERR user_script:43: OOM command not allowed when used memory > 'maxmemory'. script: 6c1, on @user_script:43.",
      true,
    ],
    ['ERR Error running script (call to f_1): @user_script:43: user_script:43: READONLY You can’t write', true],
    ['ERR value is not an integer or out of range', false],
    ['LOADING Redis is loading the dataset in memory', false],
  ])('does not call a store full or broken that is not: %s', (message, takesNoChanges) => {
    const { refusals } = told();
    const failure = refusals.refused('h:1', message);
    expect([failure.code, failure.message.includes('takes no changes')]).toEqual(['unavailable', takesNoChanges]);
    expect(refusals.changes).toBe(takesNoChanges ? 1 : 0);
  });
});
