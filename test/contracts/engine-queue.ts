import { expect, test } from 'vitest';
import type { NewJob, Queue } from '../../shared/engine/engine.ts';
import { count, got, until } from './engine-bench.ts';
import type { Bench } from './engine-bench.ts';
import { Workbench } from './queue-workbench.ts';

const hour = 3_600_000;

export function queuePromises(bench: () => Bench): void {
  const queue = (name = 'work'): Queue => bench().engine.queue(name);
  const add = async (id: string, rest: Partial<NewJob> = {}, to = queue()): Promise<boolean> =>
    (await got(to.add({ id, data: `data of ${id}`, ...rest }))).added;
  const counts = (of = queue()) => got(of.counts());
  const has = (...ids: string[]) => got(queue().has(ids));

  test('a job reaches a consumer with its data, whichever of them was there first, and is gone when it is done', async () => {
    await add('early');
    const bench = await Workbench.at(queue(), 2);
    await bench.began('early');
    await add('late');
    await bench.began('early', 'late');
    expect(bench.job('late').data).toBe('data of late');
    expect(bench.job('late').lost.aborted).toBe(false);
    expect(await counts()).toEqual({ waiting: 0, delayed: 0, running: 2 });
    bench.end('early');
    bench.end('late');
    await until(async () => expect(await counts()).toEqual({ waiting: 0, delayed: 0, running: 0 }));
    expect(await has('early', 'late')).toEqual([false, false]);
  });

  test('jobs begin by priority, and among equals as they were added', async () => {
    for (const id of ['0a', '9a', '5a', '1a', '5b', '9b', '0b']) {
      await add(id, id.startsWith('0') ? {} : { priority: Number(id[0]) });
    }
    const bench = await Workbench.at(queue());
    const order = ['9a', '9b', '5a', '5b', '1a', '0a', '0b'];
    for (const [i, id] of order.entries()) {
      await bench.began(...order.slice(0, i + 1));
      bench.end(id);
    }
    await until(async () => expect((await counts()).running).toBe(0));
  });

  test('a name is added once while it waits or is worked on, and again after it is done', async () => {
    expect(await add('a')).toBe(true);
    expect(await add('a', { data: 'second' })).toBe(false);
    expect(await add('d', { delayMs: hour })).toBe(true);
    expect(await add('d')).toBe(false);
    expect((await Promise.all(count(10).map(() => add('b')))).filter(Boolean)).toHaveLength(1);
    const bench = await Workbench.at(queue(), 2);
    await bench.began('a', 'b');
    expect(bench.job('a').data).toBe('data of a');
    expect(await add('a')).toBe(false);
    bench.end('a');
    await until(async () => expect(await has('a')).toEqual([false]));
    expect(await add('a', { data: 'third' })).toBe(true);
    await bench.began('a', 'b', 'a');
    expect(bench.job('a').data).toBe('third');
  });

  test('a delayed job does not begin before its time, and is counted apart until then', async () => {
    // So much may pass on a slow machine until `now` has been seen to end.
    await add('soon', { delayMs: 1000 });
    await add('late', { delayMs: hour, priority: 9 });
    await add('now');
    const bench = await Workbench.at(queue(), 3);
    await bench.began('now');
    await until(async () => {
      bench.end('now');
      expect(await counts()).toEqual({ waiting: 0, delayed: 2, running: 0 });
    });
    await until(() => {
      passed(250);
      expect(bench.begun).toEqual(['now', 'soon']);
    });
    expect(await counts()).toEqual({ waiting: 0, delayed: 1, running: 1 });
    expect(await has('soon', 'late', 'now')).toEqual([true, true, false]);
  });

  test('a delayed job that is due waits, although no consumer has looked', async () => {
    await add('soon', { delayMs: 500 });
    expect(await counts()).toEqual({ waiting: 0, delayed: 1, running: 0 });
    await until(async () => {
      passed(100);
      expect(await counts()).toEqual({ waiting: 1, delayed: 0, running: 0 });
    });
  });

  test('a job that wants to come back does, at once behind its equals or after its time', async () => {
    const bench = await Workbench.at(queue());
    await add('a');
    await bench.began('a');
    await add('b');
    bench.end('a', { againInMs: 0 });
    await bench.began('a', 'b');
    expect(await has('a')).toEqual([true]);
    bench.end('b', { againInMs: 40 });
    await bench.began('a', 'b', 'a');
    bench.end('a', { againInMs: hour });
    await until(() => {
      passed(20);
      expect(bench.begun).toEqual(['a', 'b', 'a', 'b']);
    });
    expect(bench.job('b').data).toBe('data of b');
    expect(await counts()).toEqual({ waiting: 0, delayed: 1, running: 1 });
  });

  test('a job whose work throws waits, and comes back by itself, again and again', async () => {
    const bench = await Workbench.at(queue());
    await add('a');
    for (const times of [1, 2, 3]) {
      await until(() => {
        passed(50);
        expect(bench.begun).toHaveLength(times);
      });
      bench.fail('a');
      await until(async () => expect(await counts()).toEqual({ waiting: 0, delayed: 1, running: 0 }));
      expect(await add('a')).toBe(false);
    }
    await until(() => {
      passed(50);
      expect(bench.begun).toHaveLength(4);
    });
    bench.end('a');
    await until(async () => expect(await has('a')).toEqual([false]));
  });

  test('a job can be taken out while it waits, also for its time, and not while it is worked on', async () => {
    const removed = async (id: string) => (await got(queue().remove(id))).removed;
    const bench = await Workbench.at(queue());
    await add('worked');
    await bench.began('worked');
    await add('waits');
    await add('first', { priority: 9 });
    await add('delayed', { delayMs: hour });
    await add('stays');
    expect(await removed('worked')).toBe(false);
    expect(await removed('nobody')).toBe(false);
    for (const id of ['waits', 'first', 'delayed']) expect(await removed(id)).toBe(true);
    expect(await removed('waits')).toBe(false);
    expect(await has('worked', 'waits', 'first', 'delayed', 'stays')).toEqual([true, false, false, false, true]);
    expect(await counts()).toEqual({ waiting: 1, delayed: 0, running: 1 });
    bench.end('worked');
    await bench.began('worked', 'stays');
    expect(await add('waits')).toBe(true);
  });

  test('no more jobs are worked on than there are slots', async () => {
    const bench = await Workbench.at(queue(), 3);
    for (const n of count(8)) await add(`j${n}`);
    await bench.began('j1', 'j2', 'j3');
    expect(await counts()).toEqual({ waiting: 5, delayed: 0, running: 3 });
    bench.end('j2');
    await bench.began('j1', 'j2', 'j3', 'j4');
    expect(await counts()).toEqual({ waiting: 4, delayed: 0, running: 3 });
  });

  test('a parked job lends its slot out, and takes it again when it goes on', async () => {
    const bench = await Workbench.at(queue(), 1);
    for (const id of ['a', 'b', 'c']) await add(id);
    await bench.began('a');
    const unpark = bench.job('a').park();
    bench.job('a').park();
    await bench.began('a', 'b');
    expect(await counts()).toEqual({ waiting: 1, delayed: 0, running: 2 });
    unpark();
    unpark();
    // It works beside b now, so the end of one of them is not the beginning of c.
    bench.end('b');
    await until(async () => expect(await has('b')).toEqual([false]));
    expect(await counts()).toEqual({ waiting: 1, delayed: 0, running: 1 });
    bench.end('a');
    await bench.began('a', 'b', 'c');
  });

  test('a job can end while it is parked, and its slot is not lent out twice', async () => {
    const bench = await Workbench.at(queue(), 1);
    for (const id of ['a', 'b', 'c']) await add(id);
    await bench.began('a');
    const unpark = bench.job('a').park();
    await bench.began('a', 'b');
    bench.end('a');
    await until(async () => expect(await counts()).toEqual({ waiting: 1, delayed: 0, running: 1 }));
    unpark();
    bench.end('b');
    await bench.began('a', 'b', 'c');
  });

  test('a consumer that stops takes nothing more and waits for what it has', async () => {
    const bench = await Workbench.at(queue(), 1);
    for (const id of ['a', 'b']) await add(id);
    await bench.began('a');
    let over = false;
    const stopped = bench.stop().then(() => (over = true));
    await add('c', { priority: 9 });
    expect(await counts()).toEqual({ waiting: 2, delayed: 0, running: 1 });
    expect(over).toBe(false);
    expect(bench.job('a').lost.aborted).toBe(false);
    bench.end('a');
    await stopped;
    expect(await counts()).toEqual({ waiting: 2, delayed: 0, running: 0 });
    expect(bench.begun).toEqual(['a']);
    const next = await Workbench.at(queue(), 2);
    await next.began('c', 'b');
  });

  test('what a stopped consumer cannot end in time is handed back, and the next one gets it', async () => {
    const first = await Workbench.at(queue(), 2);
    for (const id of ['a', 'b']) await add(id);
    await first.began('a', 'b');
    const [a, b] = [first.job('a'), first.job('b')];
    a.park();
    const stopped = first.stop(30);
    await until(() => {
      passed(10);
      expect([a.lost.aborted, b.lost.aborted]).toEqual([true, true]);
    });
    await stopped;
    expect(await counts()).toEqual({ waiting: 2, delayed: 0, running: 0 });
    const second = await Workbench.at(queue(), 2);
    await until(() => expect(second.begun.toSorted()).toEqual(['a', 'b']));
    // Whatever the first one still says of them is not heard.
    first.end('a');
    first.fail('b');
    expect(await add('b')).toBe(false);
    second.end('a');
    second.end('b');
    await until(async () => expect(await counts()).toEqual({ waiting: 0, delayed: 0, running: 0 }));
    expect(second.begun).toHaveLength(2);
  });

  test('consumers share the jobs and double none', async () => {
    const ids = count(200).map((n) => `j${n}`);
    const begun: string[][] = [[], [], []];
    for (const list of begun) {
      await got(queue().consume({ slots: 4, work: (job) => Promise.resolve(list.push(job.id)).then(() => 'done') }));
    }
    await Promise.all(ids.map((id) => add(id)));
    await until(async () => expect(await counts()).toEqual({ waiting: 0, delayed: 0, running: 0 }));
    expect(begun.flat().toSorted()).toEqual(ids.toSorted());
  });

  test('consumers in two processes share the jobs of one queue', async (context) => {
    const { engine: other } = await bench().twin(context);
    const [here, there] = [await Workbench.at(queue(), 1), await Workbench.at(other.queue('work'), 1)];
    for (const id of ['a', 'b', 'c']) await add(id);
    await until(() => expect([...here.begun, ...there.begun].toSorted()).toEqual(['a', 'b']));
    expect(await counts(other.queue('work'))).toEqual({ waiting: 1, delayed: 0, running: 2 });
    expect((await got(other.queue('work').remove('c'))).removed).toBe(true);
    expect([here.begun.length, there.begun.length]).toEqual([1, 1]);
  });

  test('queues do not see each other, and names and data may hold anything', async () => {
    const odd = [' ', ':', 'a:b:c', '{x}', '%3A', '\n', '\0', '🙂', '__proto__', '0', '17', 'wait', 'meta', '"'];
    for (const name of ['one', 'the:other', '{third}']) {
      const bench = await Workbench.at(queue(name), odd.length);
      for (const id of odd) expect(await add(id, { data: `${name} ${id}` }, queue(name))).toBe(true);
      await bench.began(...odd);
      for (const id of odd) expect(bench.job(id).data).toBe(`${name} ${id}`);
      expect(await got(queue(name).has([...odd, 'not']))).toEqual([...odd.map(() => true), false]);
    }
    expect(await counts()).toEqual({ waiting: 0, delayed: 0, running: 0 });
  });

  function passed(ms: number): void {
    bench().pass(ms);
  }
}
