import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Bench, body, codeOf, count, got } from './engine-bench.ts';
import type { EngineUnderTest } from './engine-bench.ts';

/** A store whose history runs out while a test waits; its numberings stay. */
export interface AgeingEngine extends EngineUnderTest {
  /** Resolves when whatever was appended before is older than events get. */
  outliveHistory(bench: Bench): Promise<void>;
}

/** What outlives the history, in words in shared/engine/engine.ts: `retain`. */
export function retainedSuite(name: string, make: () => AgeingEngine): void {
  describe(`${name} retains what it is asked to`, () => {
    let bench: Bench;
    let grown: () => Promise<void>;

    beforeEach(async () => {
      const under = make();
      bench = await Bench.open(() => Promise.resolve(under));
      grown = () => under.outliveHistory(bench);
    });
    afterEach(() => bench.close());

    test('the last event alone, by its number and time, from wherever it is asked for', async () => {
      const appended = await bench.appendMany('a.kept', 5, { retain: true });
      await bench.appendMany('a.gone', 5);
      const { epoch, ts } = appended.at(-1)!;
      expect(await bench.seqs('a.kept')).toEqual(count(5));
      await grown();
      const { head, events } = await got(bench.engine.log.read('a.kept', { limit: 10 }));
      expect(head).toEqual({ topic: 'a.kept', epoch, seq: 5, ts, first: 5, before: 0 });
      expect(events).toEqual([{ topic: 'a.kept', epoch, seq: 5, ts, body: body(5) }]);
      for (const range of [{ reverse: true }, { after: 0 }, { after: 4 }, { after: 6, reverse: true }])
        expect({ range, seqs: await bench.seqs('a.kept', range) }).toEqual({ range, seqs: [5] });
      for (const range of [{ after: 5 }, { after: 5, reverse: true }, { after: 9 }])
        expect({ range, seqs: await bench.seqs('a.kept', range) }).toEqual({ range, seqs: [] });
      for (const [since, before] of [
        [1, 4],
        [ts, 4],
        [ts + 1, 5],
      ] as const)
        expect(await bench.head('a.kept', since)).toEqual({ ...head, before });
      expect(await got(bench.engine.log.active(0))).toContain('a.kept');
      expect(await got(bench.engine.log.active(ts))).toContain('a.kept');
      expect(await bench.head('a.gone')).toMatchObject({ seq: 5, first: 6 });
    });

    test('until another event takes its place, which counts on from it', async () => {
      await bench.append('a.again', { retain: true, body: body('first') });
      await bench.append('a.plain', { retain: true });
      await bench.append('a.fenced', { retain: true, fence: 3, messageId: 'm', keep: 2 });
      await bench.append('a.sealed', { retain: true, seal: true });
      await bench.append('a.renumbered', { retain: true });
      await grown();
      expect(await bench.append('a.again', { retain: true, body: body('second') })).toMatchObject({ seq: 2 });
      expect(await bench.append('a.plain')).toMatchObject({ seq: 2 });
      const { log } = bench.engine;
      expect(await codeOf(log.append({ topic: 'a.fenced', body: body(0), fence: 2 }))).toBe('conflict');
      expect(await codeOf(log.append({ topic: 'a.sealed', body: body(0) }))).toBe('conflict');
      const { epoch } = await bench.head('a.renumbered');
      await got(log.renumber('a.renumbered', epoch));
      const { events } = await got(log.read('a.renumbered', { limit: 1 }));
      expect(events).toMatchObject([{ seq: 1, body: body(0) }]);
      expect(events[0]!.epoch).not.toBe(epoch);
      expect(await bench.seqs('a.again')).toEqual([2]);
      await grown();
      const stayed = ['a.again', 'a.fenced', 'a.renumbered', 'a.sealed'];
      expect(await got(log.active(0))).toEqual(expect.arrayContaining(stayed));
      expect(await bench.seqs('a.again')).toEqual([2]);
      expect(await bench.seqs('a.plain')).toEqual([]);
    });

    test('whichever kind of event came in the same moment before it', async () => {
      const { log } = bench.engine;
      const append = (topic: string, retain: boolean) => got(log.append({ topic, body: body(retain), retain }));
      await Promise.all([append('a.later', false), append('a.later', true)]);
      await Promise.all([append('a.before', true), append('a.before', false)]);
      await append('b.later', false);
      await append('b.later', true);
      await append('b.before', true);
      await append('b.before', false);
      await got(
        bench.engine.records.commit('c.later', {
          append: [
            { topic: 'c.later', body: body(1) },
            { topic: 'c.later', body: body(2), retain: true },
          ],
        }),
      );
      await grown();
      expect(await got(log.active(0))).toEqual(expect.arrayContaining(['a.later', 'b.later', 'c.later']));
      for (const topic of ['a.later', 'b.later', 'c.later']) expect(await bench.seqs(topic)).toEqual([2]);
      for (const topic of ['a.before', 'b.before']) expect(await bench.seqs(topic)).toEqual([]);
    });

    test('not an ephemeral event', async () => {
      await bench.append('a.b', { retain: true, ephemeral: true });
      expect(await got(bench.engine.log.active(0))).toEqual([]);
      await bench.append('a.b', { retain: true });
      await bench.append('a.b', { ephemeral: true });
      await grown();
      expect(await bench.seqs('a.b')).toEqual([1]);
    });
  });
}
