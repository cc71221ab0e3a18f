import { expect, test } from 'vitest';
import { body, codeOf, count, got } from './engine-bench.ts';
import type { Bench } from './engine-bench.ts';

export function logPromises(bench: () => Bench): void {
  test('numbers the events of each topic 1, 2, 3 … in one epoch', async () => {
    const appended = await bench().appendMany('a.b', 3);
    expect(appended.map((one) => one.seq)).toEqual([1, 2, 3]);
    expect(new Set(appended.map((one) => one.epoch)).size).toBe(1);
    expect(appended[0]!.epoch).not.toBe('');
    expect((await bench().append('a.c')).seq).toBe(1);
  });

  test('numbers appends that nobody waited for in the order in which they were made, without holes', async () => {
    const { log } = bench().engine;
    const topics = ['p.0', 'p.1', 'p.2'];
    const all = await Promise.all(count(300).map((n) => got(log.append({ topic: topics[n % 3]!, body: body(n) }))));
    for (const [at, topic] of topics.entries()) {
      const own = all.filter((_, i) => (i + 1) % 3 === at);
      expect(own.map((one) => one.seq)).toEqual(count(100));
      const { events } = await got(log.read(topic, { limit: 1000 }));
      expect(events.map((event) => event.body)).toEqual(
        count(300)
          .filter((n) => n % 3 === at)
          .map(body),
      );
    }
  });

  test('never lets the time of a topic fall, and gives each event the time that its append was answered with', async () => {
    const appended = await bench().appendMany('a.b', 20);
    const times = appended.map((one) => one.ts);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const { events } = await got(bench().engine.log.read('a.b', { limit: 1000 }));
    expect(events.map((event) => event.ts)).toEqual(times);
  });

  test('keeps a body as it is', async () => {
    const odd = '{"data":{"é":"\\n\\u0000 \\" ’ 🙂","n":1.50,"o":{}},"messageId":"x y"}';
    await bench().append('a.b', { body: odd });
    const { events } = await got(bench().engine.log.read('a.b', { limit: 1 }));
    expect(events[0]!.body).toBe(odd);
  });

  test('appends once for each message id, and says where the first one went', async () => {
    const first = await bench().append('a.b', { messageId: 'm 1', body: body('first') });
    await bench().append('a.b', { messageId: 'm 2' });
    bench().pass(5);
    const again = await bench().append('a.b', { messageId: 'm 1', body: body('again') });
    expect(first.duplicate).toBe(false);
    expect(again).toEqual({ ...first, duplicate: true });
    const { events } = await got(bench().engine.log.read('a.b', { limit: 1000 }));
    expect(events.map((event) => event.seq)).toEqual([1, 2]);
    expect(events[0]!.body).toBe(body('first'));
  });

  test('tells duplicates apart also when nobody waited for the first one', async () => {
    const { log } = bench().engine;
    const event = { topic: 'a.b', body: body(1), messageId: 'm' };
    const all = await Promise.all(count(20).map(() => got(log.append(event))));
    expect(all.map((one) => one.duplicate)).toEqual([false, ...count(19).map(() => true)]);
    expect(new Set(all.map((one) => `${one.epoch} ${one.seq} ${one.ts}`)).size).toBe(1);
    expect((await bench().head('a.b')).seq).toBe(1);
  });

  test('remembers a message id for its own topic only', async () => {
    await bench().append('a.b', { messageId: 'm' });
    expect((await bench().append('a.c', { messageId: 'm' })).duplicate).toBe(false);
  });

  test('remembers a message id for 120 s (skipped where the clock cannot be driven)', async (context) => {
    const advance = bench().clock(context);
    for (const wait of [1, 60_000, 119_000]) {
      const topic = `wait.${wait}`;
      await bench().append(topic, { messageId: 'm' });
      advance(wait);
      expect((await bench().append(topic, { messageId: 'm' })).duplicate).toBe(true);
    }
  });

  test('an ephemeral event has no number, is not kept, not deduplicated, and begins no numbering', async () => {
    const passing = await bench().append('a.b', { ephemeral: true, messageId: 'm' });
    expect(passing).toMatchObject({ seq: 0, epoch: '', duplicate: false });
    expect(passing.ts).toBeGreaterThan(0);
    expect(await bench().head('a.b')).toMatchObject({ epoch: '', seq: 0 });
    expect(await got(bench().engine.log.active(0))).toEqual([]);
    expect(await bench().append('a.b', { ephemeral: true, messageId: 'm' })).toMatchObject({ duplicate: false });
    expect(await bench().append('a.b', { messageId: 'm' })).toMatchObject({ seq: 1, duplicate: false });
    await bench().append('a.b', { ephemeral: true });
    expect(await bench().seqs('a.b')).toEqual([1]);
  });

  test('refuses an append with a lower fence than the topic has seen', async () => {
    const { log } = bench().engine;
    const fenced = (fence?: number) =>
      codeOf(log.append({ topic: 'a.b', body: body(fence), ...(fence === undefined ? {} : { fence }) }));
    expect(await fenced(2)).toBe('ok');
    expect(await fenced(1)).toBe('conflict');
    expect(await fenced(2)).toBe('ok');
    expect(await fenced(10)).toBe('ok');
    expect(await fenced(9)).toBe('conflict');
    expect(await fenced()).toBe('ok');
    expect(await fenced(2)).toBe('conflict');
    expect(await codeOf(log.append({ topic: 'a.b', body: body(0), fence: 9, ephemeral: true }))).toBe('conflict');
    expect(await bench().seqs('a.b')).toEqual([1, 2, 3, 4]);
    // An ephemeral event leaves nothing behind, its fence neither.
    expect(await bench().append('a.b', { fence: 20, ephemeral: true })).toMatchObject({ seq: 0 });
    expect(await fenced(10)).toBe('ok');
  });

  test('refuses everything after a seal, and keeps what was there', async () => {
    const { log } = bench().engine;
    await bench().append('a.b', { fence: 1 });
    await bench().append('a.b', { fence: 1, seal: true, messageId: 'end' });
    const late = [{}, { fence: 7 }, { seal: true }, { ephemeral: true }, { messageId: 'other' }];
    const codes = late.map((rest) => codeOf(log.append({ topic: 'a.b', body: body(0), ...rest })));
    expect(await Promise.all(codes)).toEqual(late.map(() => 'conflict'));
    expect(await bench().seqs('a.b')).toEqual([1, 2]);
  });

  test('the sealing event sent a second time is a duplicate and not a conflict', async () => {
    const end = { fence: 1, seal: true, messageId: 'end' };
    const first = await bench().append('a.b', end);
    expect(await bench().append('a.b', end)).toEqual({ ...first, duplicate: true });
  });

  test('of appends that nobody waited for, those after the seal are refused', async () => {
    const { log } = bench().engine;
    const all = count(6).map((n) => codeOf(log.append({ topic: 'a.b', body: body(n), seal: n === 3 })));
    expect(await Promise.all(all)).toEqual(['ok', 'ok', 'ok', 'conflict', 'conflict', 'conflict']);
  });

  test('renumber begins a new epoch for the numbers that are there, and the numbering goes on', async () => {
    const { log } = bench().engine;
    const [before] = await bench().appendMany('a.b', 3);
    await bench().append('a.b', { messageId: 'm' });
    await got(log.renumber('a.b', before!.epoch));
    const head = await bench().head('a.b');
    expect(head).toMatchObject({ seq: 4, first: 1 });
    expect(head.epoch).not.toBe(before!.epoch);
    expect(head.epoch).not.toBe('');
    const { events } = await got(log.read('a.b', { limit: 1000 }));
    expect(events.map((event) => [event.epoch, event.seq])).toEqual(count(4).map((seq) => [head.epoch, seq]));
    expect(await bench().append('a.b')).toMatchObject({ epoch: head.epoch, seq: 5 });
    expect(await bench().append('a.b', { messageId: 'm' })).toMatchObject({ seq: 4, duplicate: true });
  });

  test('renumber changes nothing where the epoch is another one already, or the topic unknown', async () => {
    const { log } = bench().engine;
    const { epoch } = await bench().append('a.b');
    await got(log.renumber('a.b', 'someother'));
    expect((await bench().head('a.b')).epoch).toBe(epoch);
    await Promise.all([log.renumber('a.b', epoch), log.renumber('a.b', epoch)].map(got));
    const second = (await bench().head('a.b')).epoch;
    await got(log.renumber('a.b', epoch));
    expect((await bench().head('a.b')).epoch).toBe(second);
    await got(log.renumber('a.unknown', ''));
    expect(await bench().head('a.unknown')).toMatchObject({ epoch: '', seq: 0 });
  });
}
