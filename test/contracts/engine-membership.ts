import { expect, test } from 'vitest';
import type { LeaseHolder } from '../../shared/engine/engine.ts';
import { count, got, until } from './engine-bench.ts';
import type { Bench } from './engine-bench.ts';

const long = 3_600_000;
const short = 40;

export function membershipPromises(bench: () => Bench): void {
  const hold = async (names: string[], ttlMs: number, value = 'v', group = 'g'): Promise<string[]> => {
    const members = names.map((member) => ({ member, value }));
    return (await got(bench().engine.leases.hold(group, members, ttlMs))).joined.toSorted();
  };
  const list = async (group = 'g'): Promise<LeaseHolder[]> => byMember(await got(bench().engine.leases.list(group)));
  const listed = async (group = 'g'): Promise<string[]> => (await list(group)).map((holder) => holder.member);

  test('names those who joined: the first time and not when they renew', async () => {
    expect(await hold(['a', 'b'], long)).toEqual(['a', 'b']);
    expect(await hold(['a', 'c'], long)).toEqual(['c']);
    expect(await hold([], long)).toEqual([]);
    expect(await listed()).toEqual(['a', 'b', 'c']);
    expect(await listed('other')).toEqual([]);
  });

  test('renewing brings the new value and keeps the time of the first hold', async () => {
    await hold(['a'], long, 'first');
    const [first] = await list();
    expect(first).toMatchObject({ member: 'a', value: 'first' });
    expect(first!.since).toBeGreaterThan(0);
    bench().pass(5);
    await hold(['a'], long, 'second');
    expect(await list()).toEqual([{ ...first, value: 'second' }]);
  });

  test('names those who left: those who were held, once', async () => {
    const { leases } = bench().engine;
    await hold(['a', 'b', 'c'], long);
    expect((await got(leases.drop('g', ['c', 'a', 'never']))).left.toSorted()).toEqual(['a', 'c']);
    expect(await got(leases.drop('g', ['a', 'c']))).toEqual({ left: [] });
    expect(await got(leases.drop('nowhere', ['a']))).toEqual({ left: [] });
    expect(await listed()).toEqual(['b']);
    expect(await hold(['a'], long)).toEqual(['a']);
    expect(await got(leases.reap('g'))).toEqual([]);
  });

  test('a lease that is not renewed ends, and the reaper gets it once, with its value', async () => {
    const { leases } = bench().engine;
    await hold(['stays'], long);
    await hold(count(20).map(String), short, 'gone');
    bench().pass(short);
    await until(async () => expect(await listed()).toEqual(['stays']));
    const reaped = (await Promise.all(count(5).map(() => got(leases.reap('g'))))).flat();
    expect(reaped.map((holder) => holder.member).toSorted()).toEqual(count(20).map(String).toSorted());
    for (const holder of reaped) {
      expect(holder.value).toBe('gone');
      expect(holder.since).toBeGreaterThan(0);
    }
    expect(await got(leases.reap('g'))).toEqual([]);
    expect(await got(leases.reap('nowhere'))).toEqual([]);
    expect(await listed()).toEqual(['stays']);
  });

  test('renewing with a longer time outlives the first one', async () => {
    await hold(['renewed', 'not'], short);
    await hold(['renewed'], long);
    bench().pass(short);
    await until(async () => expect(await listed()).toEqual(['renewed']));
    const reaped = await got(bench().engine.leases.reap('g'));
    expect(reaped.map((holder) => holder.member)).toEqual(['not']);
  });

  test('who comes back after the end of a lease has joined again, since then', async () => {
    await hold(['a'], short);
    const [first] = await list();
    bench().pass(short);
    await until(async () => expect(await listed()).toEqual([]));
    expect(await hold(['a'], long)).toEqual(['a']);
    expect((await list())[0]!.since).toBeGreaterThan(first!.since);
    // It is held now: there is nothing to reap.
    expect(await got(bench().engine.leases.reap('g'))).toEqual([]);
  });

  test('dropping who was not held any more names nobody, and the reaper still gets it', async () => {
    const { leases } = bench().engine;
    await hold(['a'], short);
    bench().pass(short);
    await until(async () => expect(await listed()).toEqual([]));
    expect(await got(leases.drop('g', ['a']))).toEqual({ left: [] });
    expect((await got(leases.reap('g'))).map((holder) => holder.member)).toEqual(['a']);
  });

  test('groups, members and values may hold anything', async () => {
    const odd = ['', ' ', ':', '{a}', '\n', '\0', '__proto__', '🙂', '"', '1'];
    for (const group of odd) expect(await hold(odd, long, `of ${group}`, group)).toEqual(odd.toSorted());
    for (const group of odd) {
      const holders = await list(group);
      expect(holders.map((holder) => holder.member)).toEqual(odd.toSorted());
      for (const holder of holders) expect(holder.value).toBe(`of ${group}`);
    }
  });
}

function byMember(holders: LeaseHolder[]): LeaseHolder[] {
  return holders.toSorted((a, b) => (a.member < b.member ? -1 : 1));
}
