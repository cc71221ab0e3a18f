import { expect, test } from 'vitest';
import type { Append, Change } from '../../shared/engine/engine.ts';
import { body, codeOf, count, got, until } from './engine-bench.ts';
import type { Bench } from './engine-bench.ts';

const home = 'run.1';
const topic = 'run.1';

export function commitPromises(bench: () => Bench): void {
  const commit = (change: Change) => bench().engine.records.commit(home, change);
  const record = async () => (await got(bench().engine.records.read(home, ['run'])))[0];
  const append = (rest: Partial<Append> = {}): Append => ({ topic, body: body(0), ...rest });
  const put = [{ key: 'run', value: 'new' }];

  test('writes, deletes, ranks and appends in one', async () => {
    const { engine } = bench();
    await got(commit({ put: [{ key: 'old', value: 'v' }] }));
    const { appended } = await got(
      commit({
        expect: [
          { key: 'old', rev: 1 },
          { key: 'run', rev: 0 },
        ],
        put,
        del: ['old'],
        rank: [{ list: 'runs', key: 'run', score: 1 }],
        append: [append({ body: body('first') }), append({ topic: 'run.1.side' }), append({ body: body('second') })],
      }),
    );
    expect(appended.map((one) => [one.seq, one.duplicate])).toEqual([
      [1, false],
      [1, false],
      [2, false],
    ]);
    expect(await got(engine.records.read(home, ['run', 'old']))).toEqual([{ value: 'new', rev: 1 }, undefined]);
    expect(await got(engine.records.page(home, 'runs', { limit: 5 }))).toEqual({ keys: ['run'] });
    const { events } = await got(engine.log.read(topic, { limit: 10 }));
    expect(events.map((event) => event.body)).toEqual([body('first'), body('second')]);
    expect(events[0]).toMatchObject({ epoch: appended[0]!.epoch, ts: appended[0]!.ts });
    expect(await bench().seqs('run.1.side')).toEqual([1]);
  });

  test('an empty change is no failure', async () => {
    expect(await got(commit({}))).toEqual({ appended: [] });
  });

  test('nothing of it happens when a record is not as expected', async () => {
    const { engine, heard } = bench();
    await got(engine.log.watch([topic]));
    await got(commit({ put: [{ key: 'run', value: 'v' }], rank: [{ list: 'runs', key: 'run', score: 1 }] }));
    const rest: Change = {
      put: [...put, { key: 'other', value: 'v' }],
      del: ['run'],
      rank: [{ list: 'runs', key: 'run', score: null }],
      append: [append({ body: body('refused'), messageId: 'm', fence: 9 })],
    };
    for (const rev of [0, 2]) {
      expect(await codeOf(commit({ ...rest, expect: [{ key: 'run', rev }] }))).toBe('conflict');
    }
    const twice = [
      { key: 'run', rev: 1 },
      { key: 'none', rev: 1 },
    ];
    expect(await codeOf(commit({ ...rest, expect: twice }))).toBe('conflict');

    expect(await got(engine.records.read(home, ['run', 'other']))).toEqual([{ value: 'v', rev: 1 }, undefined]);
    expect(await got(engine.records.page(home, 'runs', { limit: 5 }))).toEqual({ keys: ['run'] });
    expect(await bench().head(topic)).toMatchObject({ epoch: '', seq: 0 });
    // Neither the message id nor the fence was remembered.
    expect(await bench().append(topic, { messageId: 'm', fence: 1, body: body('after') })).toMatchObject({ seq: 1 });
    await until(() => expect(heard.events(topic).map((event) => event.body)).toEqual([body('after')]));
  });

  test('nothing of it happens when an append is refused, be it the last of several', async () => {
    await bench().append('run.1.fenced', { fence: 5 });
    await bench().append('run.1.sealed', { seal: true });
    for (const refused of [append({ topic: 'run.1.fenced', fence: 4 }), append({ topic: 'run.1.sealed' })]) {
      const change = { put, append: [append(), append({ topic: 'run.1.side' }), refused] };
      expect(await codeOf(commit(change))).toBe('conflict');
      expect(await record()).toBeUndefined();
      expect(await bench().seqs(topic)).toEqual([]);
      expect(await bench().seqs('run.1.side')).toEqual([]);
    }
    expect(await bench().seqs('run.1.fenced')).toEqual([1]);
  });

  test('an append after the seal or below the fence of the same commit refuses all of it', async () => {
    const first = { messageId: 'm' };
    expect(await codeOf(commit({ put, append: [append({ ...first, seal: true }), append()] }))).toBe('conflict');
    expect(await codeOf(commit({ put, append: [append({ ...first, fence: 2 }), append({ fence: 1 })] }))).toBe(
      'conflict',
    );
    expect(await record()).toBeUndefined();
    expect(await bench().head(topic)).toMatchObject({ epoch: '', seq: 0 });
    const { appended } = await got(commit({ put, append: [append({ fence: 2 }), append({ fence: 2, seal: true })] }));
    expect(appended.map((one) => one.seq)).toEqual([1, 2]);
    expect(await codeOf(commit({ put, append: [append()] }))).toBe('conflict');
  });

  test('what no store can keep is a bug of whoever asks, and harms nothing that is asked for beside it', async () => {
    const keep = (n: number): Append => append({ topic: 'run.1.side', keep: n });
    const bad: Change[] = [
      ...[NaN, Infinity].map((score) => ({ rank: [{ list: 'l', key: 'k', score }] })),
      ...[NaN, 1.5, -1, 1e21].map((ttlMs) => ({ put: [{ key: 'bad', value: 'v', ttlMs }] })),
      ...[NaN, 1.5, -1, 1e21].map((ttlMs) => ({ keepLists: [{ list: 'l', ttlMs }] })),
      ...[NaN, 1.5, -1].map((n) => ({ append: [keep(n)] })),
      ...[NaN, 1.5, -1].map((fence) => ({ append: [append({ topic: 'run.1.side', fence })] })),
    ];
    const good = (key: string) => commit({ put: [{ key, value: 'v' }], rank: [{ list: 'l', key, score: 1 }] });
    const made = bad.map((change) => commit({ ...change, del: ['before'] }));
    const [before, after, ...refused] = await Promise.allSettled([good('before'), good('after'), ...made]);
    for (const one of refused) expect(one).toMatchObject({ status: 'rejected', reason: { name: 'Bug' } });
    for (const one of [before, after]) expect(one).toMatchObject({ status: 'fulfilled', value: { ok: true } });
    const { records } = bench().engine;
    const one = { value: 'v', rev: 1 };
    expect(await got(records.read(home, ['before', 'after', 'bad']))).toEqual([one, one, undefined]);
    expect(await got(records.page(home, 'l', { limit: 5 }))).toEqual({ keys: ['after', 'before'] });
    expect(await bench().seqs('run.1.side')).toEqual([]);
  });

  test('a duplicate among the appends is answered as one, and the rest happens', async () => {
    const first = await bench().append(topic, { messageId: 'm' });
    const { appended } = await got(
      commit({ put, append: [append({ messageId: 'm' }), append({ messageId: 'n' }), append({ messageId: 'n' })] }),
    );
    expect(appended[0]).toEqual({ ...first, duplicate: true });
    expect(appended.slice(1).map((one) => [one.seq, one.duplicate])).toEqual([
      [2, false],
      [2, true],
    ]);
    expect(await record()).toEqual({ value: 'new', rev: 1 });
    expect(await bench().seqs(topic)).toEqual([1, 2]);
  });

  test('the commit that ended a topic can be sent a second time, as far as its records allow', async () => {
    const change = { put, append: [append({ seal: true, messageId: 'end', fence: 3 })] };
    const [first] = (await got(commit(change))).appended;
    expect((await got(commit(change))).appended).toEqual([{ ...first, duplicate: true }]);
  });

  test('within one commit, too, the sealing event a second time is a duplicate, and an ephemeral one sets no fence', async () => {
    const end = append({ seal: true, messageId: 'end', fence: 3 });
    const { appended } = await got(commit({ append: [append({ fence: 9, ephemeral: true }), end, end] }));
    expect(appended.map((one) => [one.seq, one.duplicate])).toEqual([
      [0, false],
      [1, false],
      [1, true],
    ]);
  });

  test('of commits that expect the same rev, made at once, one succeeds', async () => {
    for (const rev of [0, 1, 2]) {
      const change = (n: number): Change => ({
        expect: [{ key: 'run', rev }],
        put: [{ key: 'run', value: `${rev}.${n}` }],
        append: [append({ body: body(`${rev}.${n}`) })],
      });
      const codes = await Promise.all(count(10).map((n) => codeOf(commit(change(n)))));
      expect(codes.toSorted()).toEqual([...count(9).map(() => 'conflict'), 'ok']);
      const winner = `${rev}.${codes.indexOf('ok') + 1}`;
      expect(await record()).toEqual({ value: winner, rev: rev + 1 });
      const { events } = await got(bench().engine.log.read(topic, { limit: 10 }));
      expect(events.map((event) => event.body)).toHaveLength(rev + 1);
      expect(events.at(-1)!.body).toBe(body(winner));
    }
  });

  test('keeps the rules of the log: how many to keep, ephemeral events, order, live delivery', async () => {
    const { engine, heard } = bench();
    await got(engine.log.watch([topic]));
    const appends = count(6).map((n) => append({ body: body(n), keep: 3, ephemeral: n === 4 }));
    const { appended } = await got(commit({ append: appends }));
    expect(appended.map((one) => one.seq)).toEqual([1, 2, 3, 0, 4, 5]);
    expect(await bench().seqs(topic)).toEqual([3, 4, 5]);
    await until(() => expect(heard.events(topic).map((event) => event.body)).toEqual(count(6).map(body)));
    expect(heard.seqs(topic)).toEqual([1, 2, 3, 0, 4, 5]);
  });

  test('a commit and appends that nobody waited for are numbered in the order in which they were made', async () => {
    const { log } = bench().engine;
    const made = count(60).map((n) =>
      n % 3 === 0 ? got(commit({ append: [append({ body: body(n) })] })) : got(log.append(append({ body: body(n) }))),
    );
    await Promise.all(made);
    const { events } = await got(log.read(topic, { limit: 100 }));
    expect(events.map((event) => event.body)).toEqual(count(60).map(body));
  });
}
