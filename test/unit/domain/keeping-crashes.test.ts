import { expect, test } from 'vitest';
import { must } from '../../../shared/base/assert.ts';
import { fail } from '../../../shared/base/errors.ts';
import { ManualClock } from '../../../shared/base/clock.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import { Dying } from './dying.ts';
import { alice, Bench, codeOf, got, root, through } from './runs-bench.ts';

const keeping = { checkpointsPerSession: 4 };

/** The engine, and all that was ever written through it. */
class Recorded {
  readonly engine: Engine;
  readonly written = new Set<string>();

  constructor(engine: Engine) {
    const { records } = engine;
    this.engine = through(engine, {
      records: {
        read: (home, keys) => records.read(home, keys),
        page: (home, list, range) => records.page(home, list, range),
        commit: (home, change) => {
          for (const { key } of change.put ?? []) this.written.add(JSON.stringify([home, key]));
          for (const { list } of change.rank ?? []) this.written.add(JSON.stringify([home, list, 'list']));
          return records.commit(home, change);
        },
      },
    });
  }

  /** What of it is still there. */
  async left(): Promise<string[]> {
    const { records } = this.engine;
    const left: string[] = [];
    for (const written of this.written) {
      const [home, key, isList] = JSON.parse(written) as [string, string, string?];
      if (home === 'runs' || home.startsWith('run.') || key.startsWith('left.')) continue;
      const there = isList
        ? (await got(records.page(home, key, { limit: 1 }))).keys.length > 0
        : (await got(records.read(home, [key])))[0] !== undefined;
      if (there) left.push(`${home} ${key}`);
    }
    return left.toSorted();
  }
}

/** A session that has been talked in, with checkpoints as many as are kept. */
class Stage {
  readonly clock = new ManualClock();
  readonly recorded = new Recorded(
    createMemoryEngine({ historySize: 1000, historyTtlMs: 1e9, metaTtlMs: 1e9, clock: this.clock }),
  );
  readonly bench = new Bench(this.recorded.engine, { clock: this.clock, keeping });
  readonly ids = new Map<string, string>();

  async fill(): Promise<void> {
    const { sessions } = this.bench.parts;
    await got(sessions.create(alice, { session: 's', metadata: { m: 1 } }));
    for (const label of ['a', 'b', 'c', 'd']) {
      await this.bench.work(await this.bench.start({ session: 's' }), label);
      await got(sessions.say('s', { role: 'operator', content: label, message: `said-${label}` }));
      await got(sessions.update(alice, { session: 's', state: label }));
      await this.checkpoint(label);
    }
  }

  async checkpoint(label: string): Promise<void> {
    const tags = ['all', `of ${label}`];
    const made = await got(this.bench.parts.checkpoints.create(alice, { session: 's', label, tags }));
    this.ids.set(label, made.checkpoint);
  }

  id(label: string): string {
    return must(this.ids.get(label));
  }

  dying(changes: number, lastIsMute: boolean): { dying: Dying; bench: Bench } {
    const dying = new Dying(this.recorded.engine, changes, lastIsMute);
    return { dying, bench: new Bench(dying.engine, { clock: this.clock, keeping }) };
  }

  /** All that a client can see of it, without what is new each time. */
  async seen(): Promise<unknown> {
    const { sessions, checkpoints } = this.bench.parts;
    const listed = (await got(sessions.list(root, { limit: 10 }))).sessions;
    const all = await checkpoints.list(alice, { session: 's', limit: 100 });
    const found = all.ok ? all.value.checkpoints : [];
    // Whatever is listed is found by its id, by its tags, and is whole.
    for (const one of found) {
      expect(await got(checkpoints.get(alice, one.checkpoint))).toEqual(one);
      for (const tag of one.tags) {
        const tagged = await got(checkpoints.list(alice, { session: 's', tag, limit: 100 }));
        expect(tagged.checkpoints).toContainEqual(one);
      }
    }
    const there = await sessions.messages(alice, { session: 's', limit: 100 });
    return {
      listed,
      session: await sessions.get(alice, 's'),
      messages: there.ok ? there.value.messages.map(({ content }) => content) : there.code,
      checkpoints: all.ok ? found.map(({ label, state }) => [label, state]) : all.code,
      told: (await this.bench.events('session.s.checkpoints')).map(({ kind, label }) => [kind, label]),
    };
  }
}

const does: Record<string, (bench: Bench, stage: Stage) => Promise<string>> = {
  'makes a checkpoint, for which the oldest goes': ({ parts }) =>
    codeOf(parts.checkpoints.create(alice, { session: 's', label: 'new', state: 1, tags: ['x'] })),
  'deletes a checkpoint': ({ parts }, stage) => codeOf(parts.checkpoints.delete(alice, stage.id('b'))),
  'restores the oldest checkpoint': ({ parts }, stage) => codeOf(parts.checkpoints.restore(alice, stage.id('a'))),
  'changes a session': ({ parts }) => codeOf(parts.sessions.update(alice, { session: 's', name: 'n', state: 1 })),
  'says something': ({ parts }) => codeOf(parts.sessions.say('s', { role: 'operator', content: 'x', message: 'm' })),
  'makes a session': ({ parts }) => codeOf(parts.sessions.create(alice, { session: 't' })),
  'deletes a session': ({ parts }) => codeOf(parts.sessions.delete(alice, 's')),
};

test.each(Object.keys(does))(
  'a process that dies while it %s, after any change, has done all of it or nothing',
  async (name) => {
    const act = must(does[name]);
    const whole = new Stage();
    await whole.fill();
    const before = await whole.seen();
    expect(await act(whole.bench, whole)).toBe('ok');
    const after = await whole.seen();
    expect(after).not.toEqual(before);
    for (const lastIsMute of [false, true]) {
      for (let changes = lastIsMute ? 1 : 0, survived = false; !survived; changes++) {
        const stage = new Stage();
        await stage.fill();
        const { dying, bench } = stage.dying(changes, lastIsMute);
        const code = await act(bench, stage);
        ({ survived } = dying);
        const seen = await stage.seen();
        if (code === 'ok') expect(seen).toEqual(after);
        else expect([before, after]).toContainEqual(seen);
        // It goes on from there like any other.
        const { sessions } = stage.bench.parts;
        if ((await codeOf(sessions.get(alice, 's'))) === 'ok') {
          await stage.checkpoint('next');
          expect(await codeOf(stage.bench.parts.checkpoints.restore(alice, stage.id('next')))).toBe('ok');
          await got(sessions.delete(alice, 's'));
          expect(await stage.recorded.left()).toEqual(expect.arrayContaining(['session.s session']));
        }
      }
    }
  },
);

test('a session that is deleted leaves its name, and nothing else', async () => {
  const stage = new Stage();
  await stage.fill();
  await got(stage.bench.parts.checkpoints.restore(alice, stage.id('c')));
  expect((await stage.recorded.left()).length).toBeGreaterThan(40);
  await got(stage.bench.parts.sessions.delete(alice, 's'));
  expect(await stage.recorded.left()).toEqual(['session.s session']);
});

/** What finds a purge that was left. */
const finds: Record<string, (stage: Stage) => Promise<unknown>> = {
  'a second delete': async ({ bench }) =>
    expect(await codeOf(bench.parts.sessions.delete(alice, 's'))).toBe('not_found'),
  'a create of the same id': async ({ bench }) => {
    await got(bench.parts.sessions.create(alice, { session: 's' }));
    await got(bench.parts.sessions.delete(alice, 's'));
  },
  'a list, later': async ({ bench, clock }) => {
    clock.advance(20 * 60 * 1000);
    expect(await got(bench.parts.sessions.list(alice, { limit: 5 }))).toEqual({ sessions: [] });
  },
};

test.each(Object.keys(finds))('a purge that was left after any change is finished by %s', async (name) => {
  for (let changes = 1, survived = false; !survived; changes++) {
    const stage = new Stage();
    await stage.fill();
    const { dying, bench } = stage.dying(changes, false);
    expect(await codeOf(bench.parts.sessions.delete(alice, 's'))).toBe('ok');
    ({ survived } = dying);
    expect(await stage.bench.parts.sessions.get(alice, 's')).toMatchObject({ code: 'not_found' });
    expect(await codeOf(stage.bench.parts.checkpoints.get(alice, stage.id('d')))).toBe('not_found');
    await must(finds[name])(stage);
    // By now the name is no longer held either.
    stage.clock.advance(20 * 60 * 1000);
    expect(await got(stage.bench.parts.sessions.list(alice, { limit: 5 }))).toEqual({ sessions: [] });
    expect(await stage.recorded.left()).toEqual([]);
  }
});

test('a session made in the place of one that is gone has nothing of it', async () => {
  const stage = new Stage();
  const { sessions, checkpoints } = stage.bench.parts;
  await stage.fill();
  const { rev } = await got(sessions.get(alice, 's'));
  const dead = stage.dying(1, false);
  await got(dead.bench.parts.sessions.delete(alice, 's'));
  const made = await got(sessions.create(alice, { session: 's' }));
  expect(made).toMatchObject({ state: null, metadata: {} });
  // Whoever held the old one by its rev does not change this one.
  expect(made.rev).toBeGreaterThan(rev);
  expect(await codeOf(sessions.update(alice, { session: 's', rev, state: 1 }))).toBe('conflict');
  expect(await stage.bench.messages('s')).toEqual([]);
  expect(await got(checkpoints.list(alice, { session: 's', limit: 10 }))).toEqual({ checkpoints: [] });
  await got(sessions.say('s', { role: 'operator', content: 'new', message: 'said-a' }));
  expect(await stage.bench.messages('s')).toEqual([['operator', 'new']]);
  expect((await got(sessions.list(alice, { limit: 5 }))).sessions).toHaveLength(1);
});

test('a purge that the store fails once is finished by a list, later', async () => {
  for (let fails = 1, failed = true; failed; fails++) {
    const stage = new Stage();
    await stage.fill();
    failed = false;
    let commits = 0;
    const { records } = stage.recorded.engine;
    const shaky = through(stage.recorded.engine, {
      records: {
        commit: async (home, change) => {
          commits += 1;
          // The first one marks the session as gone.
          if (commits !== fails + 1) return records.commit(home, change);
          failed = true;
          return fail('unavailable');
        },
      },
    });
    const bench = new Bench(shaky, { clock: stage.clock, keeping });
    expect(await codeOf(bench.parts.sessions.delete(alice, 's'))).toBe('ok');
    stage.clock.advance(20 * 60 * 1000);
    expect(await got(stage.bench.parts.sessions.list(alice, { limit: 5 }))).toEqual({ sessions: [] });
    stage.clock.advance(20 * 60 * 1000);
    expect(await stage.recorded.left()).toEqual([]);
  }
});

test('what of a purge comes late harms no session that was made meanwhile', async () => {
  for (let late = 1, held = true; held; late++) {
    const stage = new Stage();
    await stage.fill();
    held = false;
    let commits = 0;
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const { records } = stage.recorded.engine;
    const slow = through(stage.recorded.engine, {
      records: {
        commit: async (home, change) => {
          commits += 1;
          if (commits === late + 1) {
            held = true;
            await released;
          }
          return records.commit(home, change);
        },
      },
    });
    const deleting = codeOf(new Bench(slow, { clock: stage.clock, keeping }).parts.sessions.delete(alice, 's'));
    while (!held && !(await Promise.race([deleting.then(() => true), turn()])));
    await got(stage.bench.parts.sessions.create(alice, { session: 's' }));
    // Of the same numbers and names as those that are being purged.
    await got(stage.bench.parts.sessions.say('s', { role: 'operator', content: 'new', message: 'said-a' }));
    await stage.checkpoint('new');
    const before = await stage.seen();
    release();
    expect(await deleting).toBe('ok');
    expect(await stage.seen()).toEqual(before);
    expect(await stage.bench.messages('s')).toEqual([['operator', 'new']]);
  }
});

/** So that what can go on has gone on. */
function turn(): Promise<false> {
  return new Promise((resolve) => setImmediate(() => resolve(false)));
}
