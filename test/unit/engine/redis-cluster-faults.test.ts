import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { must } from '../../../shared/base/assert.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import { Keys } from '../../../shared/engine/redis/keys.ts';
import { homeOf } from '../../../shared/topics/home.ts';
import { body, count, got } from '../../contracts/engine-bench.ts';
import { everything, faultsIn, startEngine, Traffic } from '../../support/engine-traffic.ts';
import { startCluster, type RedisCluster } from '../../support/redis-cluster.ts';

const patience = { timeout: 20_000, interval: 20 };
const keys = new Keys('aw', 64, true);
const slotOf = (topic: string): number => keys.slotOf(keys.partitionOf(homeOf(topic)));

describe('the redis engine on a cluster that changes', () => {
  let cluster: RedisCluster;
  const engines: Engine[] = [];
  let topics = 0;

  beforeAll(async () => {
    cluster = await startCluster({ replicas: true });
  });
  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.stop();
  });
  afterAll(() => cluster.stop());

  async function started(extra: { minReplicas?: number; partitions?: number; prefix?: string } = {}) {
    const both = await startEngine(cluster.url, extra);
    engines.push(both.engine);
    return both;
  }

  /** A topic on the master in this place, never given out before. */
  async function topicOn(place: number): Promise<string> {
    for (;;) if ((await cluster.owner(slotOf(`some.${++topics}`))) === place) return `some.${topics}`;
  }

  it('loses, repeats and reorders nothing while a slot moves under appends, there and back', async () => {
    const { engine } = await started();
    const { engine: reader, heard } = await started();
    const topic = await topicOn(0);
    await got(reader.log.watch([topic]));
    const traffic = new Traffic(engine, topic);
    await vi.waitFor(() => expect(traffic.accepted).toBeGreaterThan(100), patience);
    for (const [from, to] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const disturbed = heard.disturbances;
      await cluster.move(slotOf(topic), from, to);
      const before = traffic.accepted;
      await vi.waitFor(() => expect(traffic.accepted).toBeGreaterThan(before + 100), patience);
      await vi.waitFor(() => expect(heard.disturbances).toBeGreaterThan(disturbed), patience);
    }
    const answers = await traffic.stop();
    const events = await everything(reader, topic);
    expect(faultsIn(events, answers)).toEqual([]);
    expect(new Set(events.map((event) => event.epoch)).size).toBe(1);
    const seqs = heard.seqs(topic);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    expect(new Set(seqs).size).toBe(seqs.length);
    await vi.waitFor(() => got(reader.log.watch([topic])), patience);
    const last = await got(engine.log.append({ topic, body: body(-1) }));
    await vi.waitFor(() => expect(heard.seqs(topic).at(-1)).toBe(last.seq), patience);
  });

  it('appends to a slot of which half is in another place wait until all of it is there', async () => {
    const { engine } = await started();
    const topic = await topicOn(0);
    const home = `run.${must(count(1000).find((n) => keys.partitionOf(`run.${n}`) === keys.partitionOf(topic)))}`;
    await got(engine.log.append({ topic, body: body(0) }));
    await got(engine.records.commit(home, { put: [{ key: 'k', value: 'before' }] }));
    const waiting: Promise<unknown>[] = [];
    await cluster.move(slotOf(topic), 0, 2, 0.5, async () => {
      waiting.push(
        got(engine.log.append({ topic, body: body(1) })),
        got(
          engine.records.commit(home, { put: [{ key: 'k', value: 'after' }], append: [{ topic: home, body: '{}' }] }),
        ),
        got(engine.counters.add('c', 1, 60_000)),
      );
      await waiting.at(-1);
    });
    await Promise.all(waiting);
    expect((await everything(engine, topic)).map((event) => event.body)).toEqual([body(0), body(1)]);
    expect(await got(engine.records.read(home, ['k']))).toEqual([{ value: 'after', rev: 2 }]);
  });

  it('keeps the order of appends of which the first cannot be made while its slot moves, and the next could', async () => {
    const { engine } = await started();
    const topic = await topicOn(0);
    const unused = must(
      count(1000)
        .map((n) => `new.${n}`)
        .find((name) => slotOf(name) === slotOf(topic)),
    );
    await got(engine.log.append({ topic, body: body(0) }));
    const appends: Promise<{ seq: number }>[] = [];
    await cluster.move(slotOf(topic), 0, 1, 0, async () => {
      // In one call with a topic of which the node cannot know whether it went already.
      appends.push(got(engine.log.append({ topic: unused, body: body(0) })));
      appends.push(got(engine.log.append({ topic, body: body(1) })));
      for (const _ of count(3)) await new Promise((turn) => setImmediate(turn));
      appends.push(got(engine.log.append({ topic, body: body(2) })));
      await got(engine.log.heads([{ topic }]));
    });
    expect((await Promise.all(appends)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  it('serves what has gone to the other node although its slot has not yet', async () => {
    const { engine } = await started();
    const topic = await topicOn(0);
    await got(engine.log.append({ topic, body: body(0) }));
    await cluster.move(slotOf(topic), 0, 1, 1, async () => {
      expect((await got(engine.log.append({ topic, body: body(1) }))).seq).toBe(2);
      expect((await got(engine.log.read(topic, { limit: 10 }))).events).toHaveLength(2);
    });
    expect((await got(engine.log.append({ topic, body: body(2) }))).seq).toBe(3);
  });

  it('says that it was disturbed when a node gives up all that it had, and another that was there takes it', async () => {
    const { engine, heard } = await started({ partitions: 3, prefix: 'three' });
    const few = new Keys('three', 3, true);
    const topic = must(
      count(100)
        .map((n) => `t.${n}`)
        .find((name) => few.partitionOf(name) === 0),
    );
    await got(engine.log.watch([topic]));
    await cluster.move(few.slotOf(0), 0, 1);
    await vi.waitFor(() => expect(heard.disturbances).toBeGreaterThan(0), patience);
    await got(engine.log.append({ topic, body: body(0) }));
    await vi.waitFor(() => expect(heard.seqs(topic)).toEqual([1]), patience);
  });

  it('hands over every topic, and signals, from where they went', async () => {
    const { engine } = await started();
    const { engine: reader, heard } = await started();
    await got(reader.log.watchAll(true));
    const heardSignals: string[] = [];
    const topic = await topicOn(0);
    const signal = must(count(1000).find((n) => keys.partitionOf(`s${n}`) === keys.partitionOf(topic)));
    await got(reader.signals.on(`s${signal}`, (payload) => heardSignals.push(payload)));
    const disturbed = heard.disturbances;
    await cluster.move(slotOf(topic), 0, 1);
    await vi.waitFor(() => expect(heard.disturbances).toBeGreaterThan(disturbed), patience);
    await vi.waitFor(() => got(reader.log.watchAll(true)), patience);
    const { seq } = await got(engine.log.append({ topic, body: body(1) }));
    await vi.waitFor(() => expect(heard.seqs(topic)).toEqual([seq]), patience);
    await vi.waitFor(() => {
      engine.signals.send(`s${signal}`, 'here');
      expect(heardSignals).toContain('here');
    }, patience);
  });

  it('goes on with the replica of a master that was killed, and the others serve all the time', async () => {
    const { engine } = await started();
    const { engine: careful } = await started({ minReplicas: 1 });
    const { engine: reader, heard } = await started();
    const [topic, other] = [await topicOn(0), await topicOn(1)];
    await got(reader.log.watch([topic]));
    const traffic = new Traffic(careful, topic);
    await vi.waitFor(() => expect(traffic.accepted).toBeGreaterThan(100), patience);
    await must(cluster.masters[0]).kill9();
    const answers = await traffic.stop();
    await vi.waitFor(() => expect(engine.ready()).toBe(false), patience);
    await got(engine.log.append({ topic: other, body: body(0) }));

    await vi.waitFor(() => expect([engine.ready(), reader.ready()]).toEqual([true, true]), patience);
    await vi.waitFor(() => expect(heard.disturbances).toBeGreaterThan(0), patience);
    const events = await everything(engine, topic);
    expect(faultsIn(events, answers)).toEqual([]);
    await vi.waitFor(() => got(reader.log.watch([topic])), patience);
    const next = await got(engine.log.append({ topic, body: body(-1) }));
    expect(next).toMatchObject({ seq: events.length + 1 });
    await vi.waitFor(() => expect(heard.seqs(topic)).toContain(next.seq), patience);
  });
});

describe('the redis engine on a cluster without replicas', () => {
  it('loses nothing when a durable master is killed and comes back', async () => {
    const cluster = await startCluster({ durable: true });
    const { engine, heard } = await startEngine(cluster.url);
    try {
      const topics = count(30).map((n) => `t.${n}`);
      await got(engine.log.watchAll(true));
      for (const topic of topics) await got(engine.log.append({ topic, body: body(1) }));
      const disturbed = heard.disturbances;
      await must(cluster.masters[1]).kill9();
      await vi.waitFor(() => expect(engine.ready()).toBe(false), patience);
      expect(await engine.log.active(0)).toMatchObject({ ok: false, code: 'unavailable' });
      expect(await engine.log.heads([])).toMatchObject({ ok: false, code: 'unavailable' });
      await must(cluster.masters[1]).restart();
      await vi.waitFor(() => expect(engine.ready()).toBe(true), patience);
      await vi.waitFor(() => expect(heard.disturbances).toBeGreaterThan(disturbed), patience);
      for (const topic of topics) {
        await vi.waitFor(
          async () => expect((await got(engine.log.append({ topic, body: body(2) }))).seq).toBe(2),
          patience,
        );
      }
      await vi.waitFor(
        () => expect(topics.map((topic) => heard.seqs(topic).at(-1))).toEqual(topics.map(() => 2)),
        patience,
      );
      expect((await got(engine.log.active(0))).toSorted()).toEqual(topics.toSorted());
    } finally {
      await engine.stop();
      await cluster.stop();
    }
  });

  it('cannot start where no node answers', async () => {
    const cluster = await startCluster();
    await cluster.stop();
    await expect(startEngine(cluster.url)).rejects.toThrow(/cannot be reached/);
  });
});
