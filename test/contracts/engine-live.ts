import { expect, test } from 'vitest';
import { body, count, got, until } from './engine-bench.ts';
import type { Bench } from './engine-bench.ts';

export function livePromises(bench: () => Bench): void {
  test('hands over the events of a watched topic once, in order, as they were appended', async () => {
    const { engine, heard } = bench();
    await got(engine.log.watch(['a.b']));
    const appended = await bench().appendMany('a.b', 20);
    await until(() => expect(heard.seqs('a.b')).toEqual(count(20)));
    expect(heard.events('a.b')).toEqual(
      appended.map(({ seq, epoch, ts }) => ({ topic: 'a.b', seq, epoch, ts, body: body(seq) })),
    );
  });

  test('hands over appends that nobody waited for, of many topics, once and in the order of each topic', async () => {
    const { engine, heard } = bench();
    const topics = count(7).map((n) => `live.${n}`);
    await got(engine.log.watch(topics));
    await Promise.all(count(700).map((n) => got(engine.log.append({ topic: topics[n % 7]!, body: body(n) }))));
    await until(() => expect(heard.calls.flat().flatMap((batch) => batch.bodies)).toHaveLength(700));
    for (const [at, topic] of topics.entries()) {
      expect(heard.seqs(topic)).toEqual(count(100));
      expect(heard.events(topic).map((event) => event.body)).toEqual(
        count(700)
          .filter((n) => n % 7 === at)
          .map(body),
      );
    }
  });

  test('gives each batch the time of the event before it', async () => {
    const { engine, heard } = bench();
    await bench().append('old.x');
    bench().pass(5);
    const [, second] = await bench().appendMany('old.x', 2);
    await got(engine.log.watch(['old.x', 'new.x']));
    bench().pass(5);
    await Promise.all(count(10).map((n) => got(engine.log.append({ topic: 'old.x', body: body(n) }))));
    bench().pass(5);
    await Promise.all(count(10).map((n) => got(engine.log.append({ topic: 'new.x', body: body(n) }))));
    bench().pass(5);
    await bench().append('new.x');
    await until(() => expect([heard.seqs('old.x').length, heard.seqs('new.x').length]).toEqual([10, 11]));

    const kept = await got(engine.log.read('new.x', { limit: 100 }));
    const timeBefore = (seq: number): number => kept.events.find((event) => event.seq === seq - 1)?.ts ?? 0;
    const batches = heard.batches('new.x');
    expect(batches.map((batch) => batch.previousTs)).toEqual(batches.map((batch) => timeBefore(batch.seq)));
    expect(batches[0]!.previousTs).toBe(0);
    expect(heard.batches('old.x')[0]!.previousTs).toBe(second!.ts);
  });

  test('a batch is of one topic, one epoch and one time, and numbered from its seq on', async () => {
    const { engine, heard } = bench();
    await got(engine.log.watch(['a.b', 'a.c']));
    const some = count(200).map((n) => {
      if (n % 50 === 0) bench().pass(3);
      return got(engine.log.append({ topic: n % 3 === 0 ? 'a.b' : 'a.c', body: body(n), ephemeral: (n + 1) % 50 < 4 }));
    });
    const appended = await Promise.all(some);
    await until(() => expect(heard.calls.flat().flatMap((batch) => batch.bodies)).toHaveLength(200));
    for (const batch of heard.calls.flat()) {
      expect(batch.bodies.length).toBeGreaterThan(0);
      for (const [i, text] of batch.bodies.entries()) {
        const { data } = JSON.parse(text) as { data: number };
        const { seq, epoch, ts } = appended[data - 1]!;
        expect(batch.topic).toBe(data % 3 === 0 ? 'a.b' : 'a.c');
        expect([seq, epoch, ts]).toEqual([batch.seq === 0 ? 0 : batch.seq + i, batch.epoch, batch.ts]);
      }
    }
  });

  test('resolves an append a turn before its event is handed over', async () => {
    const { engine, heard } = bench();
    await got(engine.log.watch(['a.b']));
    for (const n of count(20)) {
      await got(engine.log.append({ topic: 'a.b', body: body(n), ephemeral: n % 4 === 0 }));
      // What the caller does with the answer may take a few steps of its own before it is done with it.
      for (let step = 0; step < 10; step++) await Promise.resolve();
      expect(heard.events('a.b').map((event) => event.body)).not.toContain(body(n));
    }
    await until(() => expect(heard.events('a.b')).toHaveLength(20));
  });

  test('resolves a commit a turn before its events are handed over', async () => {
    const { engine, heard } = bench();
    await got(engine.log.watch(['run.1']));
    for (const n of count(10)) {
      await got(engine.records.commit('run.1', { append: [{ topic: 'run.1', body: body(n) }] }));
      for (let step = 0; step < 10; step++) await Promise.resolve();
      expect(heard.events('run.1').map((event) => event.body)).not.toContain(body(n));
    }
    await until(() => expect(heard.events('run.1')).toHaveLength(10));
  });

  test('hands over an ephemeral event with number 0 and no epoch, in its place among the kept ones', async () => {
    const { engine, heard } = bench();
    await got(engine.log.watch(['a.b']));
    const all = count(30).map((n) => got(engine.log.append({ topic: 'a.b', body: body(n), ephemeral: n % 5 === 0 })));
    await Promise.all(all);
    await until(() => expect(heard.events('a.b')).toHaveLength(30));
    expect(heard.events('a.b').map((event) => event.body)).toEqual(count(30).map(body));
    for (const event of heard.events('a.b')) {
      const ephemeral = (JSON.parse(event.body) as { data: number }).data % 5 === 0;
      expect([event.seq === 0, event.epoch === '']).toEqual([ephemeral, ephemeral]);
    }
  });

  test('hands over a duplicate only once, and nothing that was refused', async () => {
    const { engine, heard } = bench();
    await got(engine.log.watch(['a.b']));
    await bench().append('a.b', { messageId: 'm', body: body('first') });
    await bench().append('a.b', { messageId: 'm', body: body('again') });
    await bench().append('a.b', { fence: 5, body: body('fenced') });
    await engine.log.append({ topic: 'a.b', body: body('refused'), fence: 4 });
    await bench().append('a.b', { seal: true, body: body('end') });
    await engine.log.append({ topic: 'a.b', body: body('late') });
    await until(() => expect(heard.seqs('a.b')).toEqual([1, 2, 3]));
    await bench().append('a.c');
    await expectOnly(bench(), 'a.b', ['first', 'fenced', 'end']);
  });

  test('hands over watched topics only, and none that is no longer watched', async () => {
    const { engine, heard } = bench();
    await got(engine.log.watch(['a.b', 'a.c']));
    await bench().append('a.other', { body: body('never') });
    await bench().append('a.b', { body: body(1) });
    await until(() => expect(heard.events('a.b')).toHaveLength(1));
    engine.log.unwatch(['a.b']);
    await bench().append('a.b', { body: body(2) });
    await expectOnly(bench(), 'a.b', [1]);
    await got(engine.log.watch(['a.b']));
    await bench().append('a.b', { body: body(3) });
    await until(() => expect(heard.events('a.b')).toHaveLength(2));
    await expectOnly(bench(), 'a.b', [1, 3]);
    expect(heard.events('a.other')).toEqual([]);
  });

  test('watching a topic twice hands its events over once, and one unwatch ends it', async () => {
    const { engine } = bench();
    await got(engine.log.watch(['a.b', 'a.b']));
    await got(engine.log.watch(['a.b']));
    await bench().append('a.b', { body: body(1) });
    await expectOnly(bench(), 'a.b', [1]);
    engine.log.unwatch(['a.b', 'a.never']);
    await bench().append('a.b', { body: body(2) });
    await expectOnly(bench(), 'a.b', [1]);
  });

  test('hands over every topic while all are watched, each event once, and goes on with single topics after it', async () => {
    const { engine, heard } = bench();
    await got(engine.log.watch(['a.b']));
    await got(engine.log.watchAll(true));
    const topics = ['a.b', ...count(20).map((n) => `some.${n}`)];
    await Promise.all(topics.map((topic) => bench().append(topic, { body: body(1) })));
    await bench().append('some.1', { ephemeral: true, body: body('passing') });
    await until(() => expect(heard.calls.flat().flatMap((batch) => batch.bodies)).toHaveLength(22));
    await expectOnly(bench(), 'a.b', [1]);
    await expectOnly(bench(), 'some.1', [1, 'passing']);

    await got(engine.log.watchAll(false));
    await bench().append('some.1', { body: body(2) });
    await bench().append('a.b', { body: body(2) });
    await until(() => expect(heard.events('a.b')).toHaveLength(2));
    await expectOnly(bench(), 'some.1', [1, 'passing']);
  });

  test('an event after a renumbering carries the new epoch', async () => {
    const { engine, heard } = bench();
    await got(engine.log.watch(['a.b']));
    const before = await bench().append('a.b');
    await got(engine.log.renumber('a.b', before.epoch));
    const after = await bench().append('a.b');
    await until(() => expect(heard.events('a.b')).toHaveLength(2));
    expect(heard.events('a.b').map((event) => [event.seq, event.epoch])).toEqual([
      [1, before.epoch],
      [2, after.epoch],
    ]);
    expect(after.epoch).not.toBe(before.epoch);
  });
}

/**
 * That nothing more comes cannot be waited for. So another topic is used as a marker: by the time that the second of
 * two events on it has come, what was appended before the first one would have come as well.
 */
async function expectOnly(bench: Bench, topic: string, data: unknown[]): Promise<void> {
  const { engine, heard } = bench;
  const marker = `marker.${heard.calls.length}`;
  await got(engine.log.watch([marker]));
  for (const n of [1, 2]) {
    await bench.append(marker);
    await until(() => expect(heard.events(marker)).toHaveLength(n));
  }
  engine.log.unwatch([marker]);
  expect(heard.events(topic).map((event) => event.body)).toEqual(data.map(body));
}
