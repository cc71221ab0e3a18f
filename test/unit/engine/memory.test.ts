import { describe, expect, test, vi } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import type { Append } from '../../../shared/engine/engine.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import { body, codeOf, count, got, Heard } from '../../contracts/engine-bench.ts';
import { engineSuite } from '../../contracts/engine-suite.ts';

const minute = 60_000;
const retention = { historySize: 1000, historyTtlMs: 10 * minute, metaTtlMs: 600 * minute };

engineSuite('the memory engine', async () => {
  const clock = new ManualClock();
  const engine = createMemoryEngine({ ...retention, clock });
  return { engine, advance: (ms) => clock.advance(ms), close: async () => undefined };
});

describe('the memory engine, alone in its process', () => {
  async function started() {
    const clock = new ManualClock();
    const engine = createMemoryEngine({ ...retention, clock });
    const heard = new Heard();
    const disturbed = vi.spyOn(heard, 'disturbed');
    engine.log.listen(heard);
    await engine.start();
    const append = (topic: string, rest: Partial<Append> = {}) =>
      got(engine.log.append({ topic, body: body(0), ...rest }));
    const seqs = async (topic: string) =>
      (await got(engine.log.read(topic, { limit: 1000 }))).events.map((event) => event.seq);
    const head = async (topic: string) => (await got(engine.log.heads([{ topic }]))).heads[0]!;
    return { clock, engine, heard, disturbed, append, seqs, head };
  }
  const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

  test('events go when they are too old, the numbering stays', async () => {
    const { clock, engine, append, seqs, head } = await started();
    const { epoch } = await append('a.b');
    clock.advance(6 * minute);
    const { ts } = await append('a.b');
    expect(await seqs('a.b')).toEqual([1, 2]);
    clock.advance(4 * minute);
    expect(await seqs('a.b')).toEqual([2]);
    expect(await head('a.b')).toEqual({ topic: 'a.b', epoch, seq: 2, ts, first: 2, before: 0 });
    clock.advance(6 * minute);
    expect(await seqs('a.b')).toEqual([]);
    expect(await head('a.b')).toEqual({ topic: 'a.b', epoch, seq: 2, ts, first: 3, before: 0 });
    expect(await got(engine.log.active(0))).toEqual([]);
    expect(await append('a.b')).toMatchObject({ epoch, seq: 3 });
    expect(await seqs('a.b')).toEqual([3]);
    expect(await got(engine.log.active(0))).toEqual(['a.b']);
    await engine.stop();
  });

  test('a topic that nobody appended to for the time of its numbering begins again, unsealed', async () => {
    const { clock, engine, append, head } = await started();
    const first = await append('a.b', { fence: 4, seal: true });
    await append('a.c');
    clock.advance(599 * minute);
    await append('a.c');
    expect((await head('a.b')).epoch).toBe(first.epoch);
    clock.advance(2 * minute);
    expect(await head('a.b')).toMatchObject({ epoch: '', seq: 0 });
    expect(await append('a.c')).toMatchObject({ seq: 3 });
    const again = await append('a.b', { fence: 1 });
    expect(again.seq).toBe(1);
    expect(again.epoch).not.toBe(first.epoch);
    await engine.stop();
  });

  test('a message id is forgotten some minutes after it was used', async () => {
    const { clock, engine, append } = await started();
    await append('a.b', { messageId: 'm' });
    clock.advance(5 * minute);
    expect(await append('a.b', { messageId: 'm' })).toMatchObject({ seq: 2, duplicate: false });
    await engine.stop();
  });

  test('what dies at once is swept in several goes, all of it, by one timer', async () => {
    const { clock, engine, append, head } = await started();
    const many = 12_000;
    for (const n of count(many)) {
      void append(`t.${n}`);
      void engine.records.commit('h.1', { put: [{ key: `${n}`, value: 'v', ttlMs: minute }] });
      void engine.counters.add(`${n}`, 1, minute);
      void engine.leases.hold(`g.${n}`, [{ member: 'm', value: 'v' }], minute);
    }
    expect(clock.pending).toBe(1);
    // One more second is not enough for a second round of sweeps: what one of them left is taken soon after it.
    clock.advance(600 * minute + 1000);
    expect(clock.pending).toBe(1);
    for (const n of [1, many / 2, many]) {
      expect(await head(`t.${n}`)).toMatchObject({ epoch: '' });
      expect(await got(engine.records.read('h.1', [`${n}`]))).toEqual([undefined]);
      expect(await got(engine.counters.add(`${n}`, 1, minute))).toBe(1);
      // Nobody came to reap them in ten hours.
      expect(await got(engine.leases.reap(`g.${n}`))).toEqual({ gone: [], rest: false });
    }
    await engine.stop();
    expect(clock.pending).toBe(0);
  });

  test('joins what one turn appended: a batch for each topic, all in one call', async () => {
    const { clock, engine, heard, append } = await started();
    await got(engine.log.watchAll(true));
    for (const n of count(9)) void append(n % 3 === 0 ? 'a.b' : 'a.c', { body: body(n) });
    await nextTurn();
    expect(heard.calls).toHaveLength(1);
    expect(heard.calls[0]!.map((batch) => [batch.topic, batch.seq, batch.bodies])).toEqual([
      ['a.c', 1, [1, 2, 4, 5, 7, 8].map(body)],
      ['a.b', 1, [3, 6, 9].map(body)],
    ]);
    void append('a.b');
    clock.advance(1);
    void append('a.b');
    await nextTurn();
    expect(heard.calls).toHaveLength(2);
    expect(heard.calls[1]!.map((batch) => batch.seq)).toEqual([4, 5]);
    await engine.stop();
  });

  test('does not join events around one that came while the topic was not watched', async () => {
    const { engine, heard, append } = await started();
    for (const watched of [true, false, true]) {
      if (watched) void engine.log.watch(['a.b']);
      else engine.log.unwatch(['a.b']);
      void append('a.b');
    }
    await nextTurn();
    expect(heard.seqs('a.b')).toEqual([1, 3]);
    await engine.stop();
  });

  test('more than a turn may gather is left to the log, and the listener is told so after what it gets', async () => {
    const { engine, heard, disturbed, append, head } = await started();
    await got(engine.log.watch(['a.b']));
    disturbed.mockImplementation(() => expect(heard.calls).toHaveLength(1));
    const many = 70_000;
    for (let n = 0; n < many; n++) void append('a.b');
    await nextTurn();
    expect(disturbed).toHaveBeenCalledTimes(1);
    expect(heard.seqs('a.b').length).toBeLessThan(many);
    expect((await head('a.b')).seq).toBe(many);
    await append('a.b');
    await nextTurn();
    expect(heard.seqs('a.b').at(-1)).toBe(many + 1);
    expect(disturbed).toHaveBeenCalledTimes(1);
    await engine.stop();
  });

  test('time stands still for a topic while the clock of the machine is behind', async () => {
    let now = 5_000;
    const clock = { now: () => now, later: () => () => undefined };
    const { log } = createMemoryEngine({ ...retention, clock });
    const times: number[] = [];
    for (now of [5_000, 4_000, 1, 5_001]) times.push((await got(log.append({ topic: 'a.b', body: body(0) }))).ts);
    expect(times).toEqual([5_000, 5_000, 5_000, 5_001]);
  });

  test('a commit that appends to another home is a bug, and changes nothing', async () => {
    const { engine, head } = await started();
    const append = [
      { topic: 'run.1', body: body(1) },
      { topic: 'run.2', body: body(1) },
    ];
    const change = { put: [{ key: 'k', value: 'v' }], append };
    await expect(engine.records.commit('run.1', change)).rejects.toThrow('run.2');
    expect(await got(engine.records.read('run.1', ['k']))).toEqual([undefined]);
    expect(await head('run.1')).toMatchObject({ seq: 0 });
    await engine.stop();
  });

  test('hands over nothing after it was stopped', async () => {
    const { engine, heard, append } = await started();
    const signals: string[] = [];
    await got(engine.log.watchAll(true));
    await got(engine.signals.on('s', (payload) => signals.push(payload)));
    void append('a.b');
    engine.signals.send('s', 'late');
    await engine.stop();
    await nextTurn();
    await nextTurn();
    expect([heard.calls, signals]).toEqual([[], []]);
  });

  test('a cursor that is none is a bad request', async () => {
    const { engine } = await started();
    await got(engine.records.commit('h.1', { rank: [{ list: 'l', key: 'a', score: 1 }] }));
    expect(await codeOf(engine.records.page('h.1', 'l', { limit: 5, cursor: 'nonsense' }))).toBe('bad_request');
    await engine.stop();
  });
});
