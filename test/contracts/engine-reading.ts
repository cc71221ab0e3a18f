import { expect, test } from 'vitest';
import { body, count, got } from './engine-bench.ts';
import type { Bench } from './engine-bench.ts';

export function readingPromises(bench: () => Bench): void {
  test('keeps as many events as the append says, the newest ones', async () => {
    await bench().appendMany('a.b', 10, { keep: 4 });
    expect(await bench().seqs('a.b')).toEqual([7, 8, 9, 10]);
    expect(await bench().head('a.b')).toMatchObject({ first: 7, seq: 10 });
    await bench().append('a.b', { keep: 2 });
    expect(await bench().seqs('a.b')).toEqual([10, 11]);
    await bench().appendMany('a.b', 5, { keep: 50 });
    expect((await bench().seqs('a.b')).slice(-7)).toEqual(count(16, 10));
  });

  test('keeps 1000 events where the append does not say', async () => {
    const { log } = bench().engine;
    await Promise.all(count(1100).map((n) => got(log.append({ topic: 'a.b', body: body(n) }))));
    expect(await bench().head('a.b')).toMatchObject({ first: 101, seq: 1100 });
    const { events } = await got(log.read('a.b', { limit: 1000 }));
    expect(events.map((event) => event.body)).toEqual(count(1100, 101).map(body));
  });

  test('a topic that was never used has an empty head, and asking creates nothing', async () => {
    const { log } = bench().engine;
    const unused = { topic: 'a.b', epoch: '', seq: 0, ts: 0, first: 1, before: 0 };
    for (let i = 0; i < 2; i++) {
      expect(await bench().head('a.b')).toEqual(unused);
      expect(await bench().head('a.b', 5)).toEqual(unused);
      expect(await got(log.read('a.b', { limit: 10 }))).toEqual({ head: unused, events: [] });
      expect(await got(log.read('a.b', { limit: 10, reverse: true }))).toEqual({ head: unused, events: [] });
      expect(await got(log.active(0))).toEqual([]);
    }
  });

  test('answers heads in the order of the question, also for many topics at once', async () => {
    const { log } = bench().engine;
    const topics = count(100).map((n) => `many.${n}`);
    const used = topics.filter((_, i) => i % 2 === 0);
    await Promise.all(used.map((topic) => bench().appendMany(topic, 2)));
    const { heads } = await got(log.heads([...topics, topics[0]!].map((topic) => ({ topic }))));
    expect(heads.map((head) => head.topic)).toEqual([...topics, topics[0]]);
    expect(heads.map((head) => head.seq)).toEqual([...topics.map((_, i) => (i % 2 === 0 ? 2 : 0)), 2]);
    expect(await got(log.heads([]))).toMatchObject({ heads: [] });
  });

  test('a head names the last event and its time', async () => {
    const last = (await bench().appendMany('a.b', 3)).at(-1)!;
    expect(await bench().head('a.b')).toEqual({
      topic: 'a.b',
      epoch: last.epoch,
      seq: 3,
      ts: last.ts,
      first: 1,
      before: 0,
    });
  });

  test('what is appended after an answer is not older than the time of the answer', async () => {
    const { time } = await got(bench().engine.log.heads([{ topic: 'a.b' }]));
    expect((await bench().append('a.b')).ts).toBeGreaterThanOrEqual(time);
  });

  test('finds the number before a time: at each event, before the first, after the last', async () => {
    const times: number[] = [];
    for (const n of count(6)) {
      // Until the clock has moved on, so that some of the events differ in time.
      const earlier = times.at(-1) ?? 0;
      while ((await got(bench().engine.log.heads([]))).time <= earlier) {
        bench().pass(7);
        await new Promise(setImmediate);
      }
      const { ts } = await bench().append('a.b', { body: body(n) });
      times.push(ts);
      expect((await bench().append('a.b')).ts).toBeGreaterThanOrEqual(ts);
    }
    const { events } = await got(bench().engine.log.read('a.b', { limit: 1000 }));
    const asked = [...times, ...times.map((time) => time + 1), 1, times[0]! - 1, times.at(-1)! + 1000];
    for (const since of asked) {
      const before = (events.find((event) => event.ts >= since)?.seq ?? 13) - 1;
      expect({ since, before: (await bench().head('a.b', since)).before }).toEqual({ since, before });
    }
  });

  test('the number before a time counts kept events only', async () => {
    await bench().appendMany('a.b', 10, { keep: 3 });
    expect((await bench().head('a.b', 1)).before).toBe(7);
  });

  test('reads what follows a number, lowest first, no more than was asked for', async () => {
    await bench().appendMany('a.b', 10);
    expect(await bench().seqs('a.b')).toEqual(count(10));
    expect(await bench().seqs('a.b', { after: 0, limit: 3 })).toEqual([1, 2, 3]);
    expect(await bench().seqs('a.b', { after: 3, limit: 3 })).toEqual([4, 5, 6]);
    expect(await bench().seqs('a.b', { after: 9, limit: 3 })).toEqual([10]);
    expect(await bench().seqs('a.b', { after: 10 })).toEqual([]);
    expect(await bench().seqs('a.b', { after: 99 })).toEqual([]);
  });

  test('reads downwards from a number, that one not included, or from the end', async () => {
    await bench().appendMany('a.b', 10, { keep: 8 });
    expect(await bench().seqs('a.b', { reverse: true, limit: 3 })).toEqual([10, 9, 8]);
    expect(await bench().seqs('a.b', { reverse: true, after: 8, limit: 3 })).toEqual([7, 6, 5]);
    expect(await bench().seqs('a.b', { reverse: true, after: 5, limit: 9 })).toEqual([4, 3]);
    expect(await bench().seqs('a.b', { reverse: true, after: 3 })).toEqual([]);
    expect(await bench().seqs('a.b', { reverse: true, after: 99, limit: 1 })).toEqual([10]);
  });

  test('reads from the first kept event on when the number asked for is gone', async () => {
    await bench().appendMany('a.b', 10, { keep: 4 });
    expect(await bench().seqs('a.b', { after: 2, limit: 2 })).toEqual([7, 8]);
  });

  test('gives each event as it was appended, with the head as it was at that moment', async () => {
    const appended = await bench().appendMany('a.b', 5);
    const { head, events } = await got(bench().engine.log.read('a.b', { after: 2, limit: 2 }));
    expect(events).toEqual(
      [3, 4].map((seq) => {
        const { epoch, ts } = appended[seq - 1]!;
        return { topic: 'a.b', seq, epoch, ts, body: body(seq) };
      }),
    );
    expect(head).toMatchObject({ topic: 'a.b', seq: 5, first: 1, epoch: appended[0]!.epoch });
  });

  test('names every topic with an event at or after a time', async () => {
    const { log } = bench().engine;
    const topics = count(150).map((n) => `t${n}.x`);
    const appended = await Promise.all(topics.map((topic) => bench().append(topic)));
    expect((await got(log.active(0))).sort()).toEqual([...topics].sort());
    const since = appended.at(-1)!.ts;
    const younger = topics.filter((_, i) => appended[i]!.ts >= since);
    expect(await got(log.active(since))).toEqual(expect.arrayContaining(younger));
  });

  test('names a topic whose last event is as old as the time asked about, and not one that is far older (skipped where the clock cannot be driven)', async (context) => {
    const advance = bench().clock(context);
    await bench().append('old.x');
    advance(600_000);
    const { ts } = await bench().append('new.x');
    expect(await got(bench().engine.log.active(ts))).toEqual(['new.x']);
    await bench().append('old.x');
    expect((await got(bench().engine.log.active(ts))).sort()).toEqual(['new.x', 'old.x']);
  });
}
