import { expect, test } from 'vitest';
import { body, codeOf, count, got, until } from './engine-bench.ts';
import type { Bench } from './engine-bench.ts';

export function sharingPromises(bench: () => Bench): void {
  test('one numbering for all, and both hand over every event once in its order', async (context) => {
    const one = bench();
    const other = await one.twin(context);
    await Promise.all([one, other].map(({ engine }) => got(engine.log.watch(['a.b']))));
    const appended = await Promise.all(
      count(200).map((n) => got((n % 2 ? one : other).engine.log.append({ topic: 'a.b', body: body(n) }))),
    );
    expect(appended.map((each) => each.seq).toSorted((a, b) => a - b)).toEqual(count(200));
    expect(new Set(appended.map((each) => each.epoch)).size).toBe(1);
    for (const odd of [0, 1]) {
      const own = appended.filter((_, i) => i % 2 === odd).map((each) => each.seq);
      expect(own).toEqual(own.toSorted((a, b) => a - b));
    }
    const { events } = await got(other.engine.log.read('a.b', { limit: 1000 }));
    for (const { heard } of [one, other]) {
      await until(() => expect(heard.seqs('a.b')).toHaveLength(200));
      expect(heard.events('a.b')).toEqual(events);
    }
    const times = events.map((event) => event.ts);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  test('all topics of the other one are handed over to who watches all, ephemeral events too', async (context) => {
    const one = bench();
    const other = await one.twin(context);
    await got(one.engine.log.watchAll(true));
    const topics = count(30).map((n) => `t${n}.x`);
    await Promise.all(topics.map((topic) => got(other.engine.log.append({ topic, body: body(topic) }))));
    await got(other.engine.log.append({ topic: 't1.x', body: body('passing'), ephemeral: true }));
    await until(() => expect(one.heard.calls.flat().flatMap((batch) => batch.bodies)).toHaveLength(31));
    for (const topic of topics.slice(1)) expect(one.heard.events(topic).map((e) => e.body)).toEqual([body(topic)]);
    expect(one.heard.events('t1.x').map((e) => e.body)).toEqual([body('t1.x'), body('passing')]);
    expect(other.heard.calls).toEqual([]);
  });

  test('a message id, a fence and a seal hold for both', async (context) => {
    const one = bench();
    const other = await one.twin(context);
    const first = await one.append('a.b', { messageId: 'm', fence: 3 });
    const { log } = other.engine;
    expect(await got(log.append({ topic: 'a.b', body: body(0), messageId: 'm' }))).toEqual({
      ...first,
      duplicate: true,
    });
    expect(await codeOf(log.append({ topic: 'a.b', body: body(0), fence: 2 }))).toBe('conflict');
    await got(log.append({ topic: 'a.b', body: body(0), fence: 3, seal: true }));
    expect(await codeOf(one.engine.log.append({ topic: 'a.b', body: body(0), fence: 3 }))).toBe('conflict');
    expect(await one.seqs('a.b')).toEqual([1, 2]);
  });

  test('heads, kept events, active topics and a new epoch are the same for both', async (context) => {
    const one = bench();
    const other = await one.twin(context);
    const { epoch } = await one.append('a.b');
    const both = () => Promise.all([one, other].map(({ engine }) => got(engine.log.read('a.b', { limit: 10 }))));
    const [here, there] = await both();
    expect(there).toEqual(here);
    expect(there!.events).toHaveLength(1);
    expect(await got(other.engine.log.active(0))).toEqual(['a.b']);
    // Both saw that the numbering was lost: it is renewed once.
    await Promise.all([one, other].map(({ engine }) => got(engine.log.renumber('a.b', epoch))));
    const [after, same] = await both();
    expect(same).toEqual(after);
    expect(after!.head.epoch).not.toBe(epoch);
    expect((await one.append('a.b')).epoch).toBe(after!.head.epoch);
    expect((await got(other.engine.log.append({ topic: 'a.b', body: body(0) }))).seq).toBe(3);
  });

  test('of commits that expect the same rev, made by both at once, one succeeds', async (context) => {
    const one = bench();
    const other = await one.twin(context);
    for (const rev of [0, 1, 2, 3]) {
      const change = {
        expect: [{ key: 'k', rev }],
        put: [{ key: 'k', value: 'v' }],
        append: [{ topic: 'run.1', body: body(rev) }],
      };
      const codes = await Promise.all(
        count(8).map((n) => codeOf((n % 2 ? one : other).engine.records.commit('run.1', change))),
      );
      expect(codes.filter((code) => code === 'ok')).toHaveLength(1);
      expect(codes.filter((code) => code === 'conflict')).toHaveLength(7);
      expect(await got(other.engine.records.read('run.1', ['k']))).toEqual([{ value: 'v', rev: rev + 1 }]);
    }
    expect(await one.seqs('run.1')).toEqual([1, 2, 3, 4]);
  });

  test('a list and its pages are the same for both, and a cursor of one serves the other', async (context) => {
    const one = bench();
    const other = await one.twin(context);
    const rank = count(6).map((n) => ({ list: 'l', key: `k${n}`, score: n }));
    await got(one.engine.records.commit('h.1', { rank }));
    const page = await got(one.engine.records.page('h.1', 'l', { limit: 4 }));
    const rest = await got(other.engine.records.page('h.1', 'l', { limit: 4, cursor: page.cursor! }));
    expect([page.keys, rest.keys]).toEqual([
      ['k1', 'k2', 'k3', 'k4'],
      ['k5', 'k6'],
    ]);
  });

  test('members join, leave and are reaped once, whoever asks', async (context) => {
    const one = bench();
    const other = await one.twin(context);
    const members = count(20).map((n) => ({ member: `m${n}`, value: 'v' }));
    const joined = await Promise.all(
      [one, other].map(({ engine }) => got(engine.leases.hold('g', members, 3_600_000))),
    );
    expect(joined.flatMap((each) => each.joined)).toHaveLength(20);
    expect(await got(other.engine.leases.list('g'))).toHaveLength(20);
    const left = await Promise.all([one, other].map(({ engine }) => got(engine.leases.drop('g', ['m1', 'm2', 'm3']))));
    expect(left.flatMap((each) => each.left).toSorted()).toEqual(['m1', 'm2', 'm3']);

    await got(one.engine.leases.hold('g', members.slice(3), 40));
    one.pass(40);
    await until(async () => expect(await got(other.engine.leases.list('g'))).toEqual([]));
    const reaped = await Promise.all(count(6).map((n) => got((n % 2 ? one : other).engine.leases.reap('g'))));
    const names = reaped.flatMap(({ gone }) => gone.map((holder) => holder.member));
    expect(names.toSorted()).toEqual(
      members
        .slice(3)
        .map((each) => each.member)
        .toSorted(),
    );
  });

  test('signals go both ways, in order, to each process once', async (context) => {
    const one = bench();
    const other = await one.twin(context);
    const here: string[] = [];
    const there: string[] = [];
    await got(one.engine.signals.on('s', (payload) => here.push(payload)));
    await got(other.engine.signals.on('s', (payload) => there.push(payload)));
    for (const n of count(50)) one.engine.signals.send('s', `${n}`);
    await until(() => expect([here.length, there.length]).toEqual([50, 50]));
    expect(there).toEqual(count(50).map(String));
    expect(here).toEqual(there);
    other.engine.signals.send('s', 'back');
    await until(() => expect([here.at(-1), there.at(-1)]).toEqual(['back', 'back']));
  });

  test('a counter is one for both', async (context) => {
    const one = bench();
    const other = await one.twin(context);
    const values = await Promise.all(
      count(40).map((n) => got((n % 2 ? one : other).engine.counters.add('c', 1, 3_600_000))),
    );
    expect(values.toSorted((a, b) => a - b)).toEqual(count(40));
  });

  test('what one engine wrote is there when it is gone', async (context) => {
    const one = bench();
    const other = await one.twin(context);
    await got(other.engine.log.append({ topic: 'run.1', body: body(1) }));
    await got(other.engine.records.commit('run.1', { put: [{ key: 'k', value: 'v' }] }));
    await other.engine.stop();
    expect(await one.seqs('run.1')).toEqual([1]);
    expect(await got(one.engine.records.read('run.1', ['k']))).toEqual([{ value: 'v', rev: 1 }]);
    expect((await one.append('run.1')).seq).toBe(2);
  });
}
