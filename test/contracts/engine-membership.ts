import { expect, test, vi } from 'vitest';
import type { LeaseHolder, Reaped } from '../../shared/engine/engine.ts';
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

  const reap = (group = 'g'): Promise<{ gone: Reaped[]; rest: boolean }> => got(bench().engine.leases.reap(group));
  const nobody = { gone: [], rest: false };

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
    expect(await reap()).toEqual(nobody);
  });

  test('a lease that is not renewed ends, and one reaper gets it, with its value, until it is forgotten', async () => {
    const { leases } = bench().engine;
    await hold(['stays'], long);
    await hold(count(20).map(String), short, 'gone');
    bench().pass(short);
    await until(async () => expect(await listed()).toEqual(['stays']));
    const reaped = (await Promise.all(count(5).map(() => reap()))).flatMap(({ gone }) => gone);
    expect(reaped.map((holder) => holder.member).toSorted()).toEqual(count(20).map(String).toSorted());
    for (const holder of reaped) {
      expect(holder).toMatchObject({ value: 'gone', givenMs: 0 });
      expect(holder.since).toBeGreaterThan(0);
    }
    expect(await reap()).toEqual({ gone: [], rest: true });
    expect(await reap('nowhere')).toEqual(nobody);
    expect(await listed()).toEqual(['stays']);
    await got(leases.forget('g', reaped));
    expect(await reap()).toEqual(nobody);
  });

  test('whom a reaper was given and did not forget, everybody gets some seconds later', async () => {
    await hold(['gone', 'back'], short, 'v');
    bench().pass(short);
    await until(async () => expect(await listed()).toEqual([]));
    const { gone: first } = await reap();
    expect(first).toHaveLength(2);
    await hold(['back'], long, 'v');
    bench().pass(5000);
    const given = await vi.waitUntil(async () => (await reap()).gone.find(({ givenMs }) => givenMs > 0), {
      timeout: 15_000,
      interval: 50,
    });
    expect(given).toEqual({ ...first.find(({ member }) => member === 'gone')!, givenMs: given.givenMs });
    expect(given.givenMs).toBeGreaterThanOrEqual(5000);
    // The other one is there again, and is not touched.
    expect((await reap()).gone.map(({ member }) => member)).toEqual(['gone']);
    expect(await listed()).toEqual(['back']);
    await got(bench().engine.leases.forget('g', [given]));
    expect(await reap()).toEqual(nobody);
  });

  test('forgets who stands at the value that is named, running or not, and nobody else', async () => {
    const { leases } = bench().engine;
    await hold(['same', 'other', 'stays'], long, 'old value');
    await hold(['other'], long, 'new value');
    const named = ['same', 'other', 'never'].map((member) => ({ member, value: 'old value' }));
    await got(leases.forget('g', named));
    expect(await listed()).toEqual(['other', 'stays']);
    await got(leases.forget('g', []));
    await got(leases.forget('nowhere', named));
    expect(await hold(['same'], long)).toEqual(['same']);
  });

  test('forgets of those that are named only who has ended, where that is asked for', async () => {
    const { leases } = bench().engine;
    await hold(['back', 'gone', 'changed'], short, 'same value');
    bench().pass(short);
    await until(async () => expect(await listed()).toEqual([]));
    const { gone } = await reap();
    expect(gone).toHaveLength(3);
    await hold(['back'], long, 'same value');
    const otherwise = gone.map((one) => (one.member === 'changed' ? { ...one, value: 'other value' } : one));
    await got(leases.forget('g', otherwise, 'ended'));
    expect(await listed()).toEqual(['back']);
    expect(await hold(['back'], long, 'same value')).toEqual([]);
    expect(await reap()).toEqual({ gone: [], rest: true });
    await got(leases.forget('g', gone, 'ended'));
    expect(await reap()).toEqual(nobody);
    expect(await listed()).toEqual(['back']);
  });

  test('renewing with a longer time outlives the first one', async () => {
    await hold(['renewed', 'not'], short);
    await hold(['renewed'], long);
    bench().pass(short);
    await until(async () => expect(await listed()).toEqual(['renewed']));
    expect((await reap()).gone.map((holder) => holder.member)).toEqual(['not']);
  });

  test('who comes back after the end of a lease has joined again, since then', async () => {
    await hold(['a'], short);
    const [first] = await list();
    bench().pass(short);
    await until(async () => expect(await listed()).toEqual([]));
    expect(await hold(['a'], long)).toEqual(['a']);
    expect((await list())[0]!.since).toBeGreaterThan(first!.since);
    // It is held now: there is nothing to reap.
    expect(await reap()).toEqual(nobody);
  });

  test('dropping who was not held any more names nobody, and the reaper still gets it', async () => {
    const { leases } = bench().engine;
    await hold(['a'], short);
    bench().pass(short);
    await until(async () => expect(await listed()).toEqual([]));
    expect(await got(leases.drop('g', ['a']))).toEqual({ left: [] });
    expect((await reap()).gone.map((holder) => holder.member)).toEqual(['a']);
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
