import { expect, test } from 'vitest';
import { count, got, until } from './engine-bench.ts';
import type { Bench } from './engine-bench.ts';

export function signalPromises(bench: () => Bench): void {
  test('a signal reaches every handler of its name, in the order of sending, and never within the sending', async () => {
    const { signals } = bench().engine;
    const first: string[] = [];
    const second: string[] = [];
    const other: string[] = [];
    await got(signals.on('cancel', (payload) => first.push(payload)));
    await got(signals.on('cancel', (payload) => second.push(payload)));
    await got(signals.on('cancel.other', (payload) => other.push(payload)));
    for (const n of count(50)) signals.send('cancel', `signal ${n}`);
    expect(first).toEqual([]);
    signals.send('cancel.other', 'end');
    await until(() => expect([first.length, second.length, other.length]).toEqual([50, 50, 1]));
    expect(first).toEqual(count(50).map((n) => `signal ${n}`));
    expect(second).toEqual(first);
    expect(other).toEqual(['end']);
  });

  test('a handler that was stopped hears nothing more, the others do', async () => {
    const { signals } = bench().engine;
    const stopped: string[] = [];
    const going: string[] = [];
    const stop = await got(signals.on('s', (payload) => stopped.push(payload)));
    await got(signals.on('s', (payload) => going.push(payload)));
    signals.send('s', 'one');
    await until(() => expect([stopped, going]).toEqual([['one'], ['one']]));
    stop();
    signals.send('s', 'two');
    await until(() => expect(going).toEqual(['one', 'two']));
    expect(stopped).toEqual(['one']);
    stop();
    signals.send('s', 'three');
    await until(() => expect(going).toEqual(['one', 'two', 'three']));
  });

  test('a name can be listened to again after its last handler was stopped', async () => {
    const { signals } = bench().engine;
    const heard: string[] = [];
    (await got(signals.on('s', () => undefined)))();
    await got(signals.on('s', (payload) => heard.push(payload)));
    signals.send('s', 'back');
    await until(() => expect(heard).toEqual(['back']));
  });

  test('a signal that nobody listens to is lost in silence, and names and payloads may hold anything', async () => {
    const { signals } = bench().engine;
    const odd = ['', ' ', '*', 'a*', '{x}', '\n', '\0', '🙂', '__proto__'];
    const heard: string[] = [];
    signals.send('nobody', 'x');
    for (const name of odd) await got(signals.on(name, (payload) => heard.push(`${name}=${payload}`)));
    for (const name of odd) signals.send(name, name);
    await until(() => expect(heard.toSorted()).toEqual(odd.map((name) => `${name}=${name}`).toSorted()));
  });

  test('a counter begins at 0 and goes up and down', async () => {
    const { counters } = bench().engine;
    const add = (by: number, name = 'c') => got(counters.add(name, by, 3_600_000));
    expect(await add(1)).toBe(1);
    expect(await add(5)).toBe(6);
    expect(await add(-2)).toBe(4);
    expect(await add(0)).toBe(4);
    expect(await add(1, 'other')).toBe(1);
    expect(await Promise.all(count(20).map(() => add(1)))).toEqual(count(24, 5));
  });

  test('a counter that nobody touched for its time begins again at 0', async () => {
    const { counters } = bench().engine;
    const short = 40;
    await got(counters.add('c', 7, 3_600_000));
    expect(await got(counters.add('c', 1, short))).toBe(8);
    await got(counters.add('long', 1, 3_600_000));
    // Looking is touching: the looks are further apart than the counter lives.
    await until(async () => {
      bench().pass(short);
      expect(await got(counters.add('c', 0, short))).toBe(0);
    }, 3 * short);
    expect(await got(counters.add('c', 3, 3_600_000))).toBe(3);
    expect(await got(counters.add('long', 1, 3_600_000))).toBe(2);
  });
}
