import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import { body, count, got } from '../../contracts/engine-bench.ts';

const minute = 60_000;
const retention = { historySize: 3, historyTtlMs: 10 * minute, metaTtlMs: 40 * minute };

async function started() {
  const clock = new ManualClock();
  const engine = createMemoryEngine({ ...retention, clock });
  await engine.start();
  return { clock, engine };
}

test('knows which topics are active, which have only a number left and which are gone, whenever each was used', async () => {
  const topics = count(6).map((n) => `t.${n}`);
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ use: fc.constantFrom(...topics) }) },
    { weight: 2, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 15 }) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 0, max: 9 }), async (steps, ago) => {
      const { clock, engine } = await started();
      const uses = new Map<string, { times: number[]; seq: number }>();
      for (const one of steps) {
        if ('wait' in one) clock.advance(one.wait * minute);
        else await got(engine.log.append({ topic: one.use, body: body(0) }));
        const now = clock.now();
        for (const [topic, use] of uses) if (use.times.at(-1)! <= now - retention.metaTtlMs) uses.delete(topic);
        if ('use' in one) {
          const use = uses.get(one.use) ?? { times: [], seq: 0 };
          uses.set(one.use, { times: [...use.times, now].slice(-retention.historySize), seq: use.seq + 1 });
        }
        const { heads } = await got(engine.log.heads(topics.map((topic) => ({ topic }))));
        const expected = topics.map((topic) => {
          const { times, seq } = uses.get(topic) ?? { times: [], seq: 0 };
          const kept = times.filter((time) => time > now - retention.historyTtlMs);
          return { topic, ts: times.at(-1) ?? 0, seq, first: seq + 1 - kept.length };
        });
        expect(heads.map(({ topic, ts, seq, first }) => ({ topic, ts, seq, first }))).toEqual(expected);
        const since = now - ago * minute;
        const active = expected.filter((head) => head.ts >= since).map((head) => head.topic);
        expect((await got(engine.log.active(since))).toSorted()).toEqual(active);
      }
      await engine.stop();
      expect(clock.pending).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test('members that nobody reaps are forgotten long after, and only when nobody is held in their group', async () => {
  const { clock, engine } = await started();
  const hold = (group: string, member: string) => got(engine.leases.hold(group, [{ member, value: 'v' }], 10 * minute));
  await hold('left', 'gone');
  await hold('used', 'gone');
  clock.advance(39 * minute);
  await hold('used', 'here');
  clock.advance(2 * minute);
  expect((await got(engine.leases.list('used'))).map((holder) => holder.member)).toEqual(['here']);
  expect((await got(engine.leases.reap('used'))).gone.map((holder) => holder.member)).toEqual(['gone']);
  expect(await got(engine.leases.reap('left'))).toEqual({ gone: [], rest: false });
  await engine.stop();
});
