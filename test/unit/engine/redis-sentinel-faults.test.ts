import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Engine } from '../../../shared/engine/engine.ts';
import { body, got } from '../../contracts/engine-bench.ts';
import { everything, faultsIn, startEngine, Traffic } from '../../support/engine-traffic.ts';
import { promotesSoon, startSentinel, type SentinelSet } from '../../support/redis-sentinel.ts';

const patience = { timeout: 20_000, interval: 20 };

describe('the redis engine behind a sentinel that makes another server the master', () => {
  let set: SentinelSet;
  const engines: Engine[] = [];

  beforeEach(async () => {
    set = await startSentinel(promotesSoon);
  });
  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.stop();
    await set.stop();
  });

  async function started(minReplicas = 0) {
    const both = await startEngine(set.url, { minReplicas });
    engines.push(both.engine);
    return both;
  }

  async function failover(...waiting: Engine[]): Promise<void> {
    await vi.waitFor(async () => expect(await set.masterPort()).toBe(set.replica.port), patience);
    await vi.waitFor(() => expect(waiting.map((engine) => engine.ready())).not.toContain(false), patience);
  }

  it('loses nothing that a replica had to have first, and watches there', async () => {
    const { engine: careful } = await started(1);
    const { engine, heard } = await started();
    await got(engine.log.watch(['a.b']));
    const traffic = new Traffic(careful, 'a.b');
    await vi.waitFor(() => expect(traffic.accepted).toBeGreaterThan(200), patience);
    await set.master.kill9();
    const answers = await traffic.stop();
    expect(answers.at(-1)).toMatchObject({ ok: false, code: 'unavailable' });
    await failover(engine, careful);

    await vi.waitFor(() => expect(heard.disturbances).toBeGreaterThan(0), patience);
    const events = await everything(engine, 'a.b');
    expect(faultsIn(events, answers)).toEqual([]);
    await vi.waitFor(() => got(engine.log.watch(['a.b'])), patience);
    const next = await got(engine.log.append({ topic: 'a.b', body: body(-1) }));
    expect(next.seq).toBe(events.length + 1);
    expect(answers.find((answer) => answer.ok)).toMatchObject({ value: { epoch: next.epoch } });
    await vi.waitFor(() => expect(heard.seqs('a.b')).toContain(next.seq), patience);
  });

  it('tells by a new epoch that the new master had not got everything', async () => {
    const { engine } = await started();
    const { engine: reader, heard } = await started();
    await got(reader.log.watch(['a.b']));
    for (const n of [1, 2]) await got(engine.log.append({ topic: 'a.b', body: body(n) }));
    const replica = new Redis({ port: set.replica.port });
    try {
      await vi.waitFor(async () => expect(await replica.keys('aw:s:*:a.b')).toHaveLength(1), patience);
      // From here on it copies nothing: this is nobody's port.
      await replica.replicaof('127.0.0.1', 1);
    } finally {
      replica.disconnect();
    }
    const lost = await got(engine.log.append({ topic: 'a.b', body: body(3) }));
    await vi.waitFor(() => expect(heard.seqs('a.b')).toEqual([1, 2, 3]), patience);
    await set.master.kill9();
    await failover(engine, reader);

    await vi.waitFor(() => expect(heard.disturbances).toBeGreaterThan(0), patience);
    const next = await got(reader.log.append({ topic: 'a.b', body: body(4) }));
    expect(next.seq).toBe(3);
    expect(next.epoch).not.toBe(lost.epoch);
    expect((await everything(engine, 'a.b')).map((event) => event.body)).toEqual([1, 2, 4].map(body));
  });
});
