import { describe, expect, it } from 'vitest';
import type { AgentwireClient } from '../../shared/client/index.ts';
import { listed, outcomeOf, sessionPlaces } from '../support/session-places.ts';

const rounds = 50;

/** What came of two that were done at the same time, the better one first. */
async function atOnce(...both: [Promise<unknown>, Promise<unknown>]): Promise<string[]> {
  const outcomes = await Promise.all(both.map(outcomeOf));
  return outcomes.sort((a, b) => Number(b === 'ok') - Number(a === 'ok'));
}

describe.each(sessionPlaces)('on $on', { timeout: 90_000 }, (place) => {
  it('what is done here is seen there', async () => {
    const [here, there] = await place.start();
    const { session } = await here.sessions.create({ name: 'a talk', metadata: { by: 'here' } });
    const told: unknown[] = [];
    const seen = await there.subscribe(`session.${session}.checkpoints`, ({ seq, data }) => {
      const { kind, checkpoint } = data as { kind: string; checkpoint: string };
      told.push([seq, kind, checkpoint]);
    });
    expect(seen.seq).toBe(0);
    expect(await there.sessions.get(session)).toMatchObject({ name: 'a talk', metadata: { by: 'here' }, rev: 1 });
    const changed = await there.sessions.update(session, { rev: 1, state: { step: 1 } });
    expect(await here.sessions.get(session)).toEqual(changed);

    const first = await here.checkpoints.create(session, { label: 'one', tags: ['safe'] });
    const second = await there.checkpoints.create(session, { label: 'two', state: { step: 2, more: true } });
    expect(await there.checkpoints.get(first.checkpoint)).toEqual({ ...first, state: { step: 1 } });
    expect(await listed(here.checkpoints.list(session, { limit: 1 }))).toEqual([second, first]);
    expect(await listed(there.checkpoints.list(session, { tag: 'safe' }))).toEqual([first]);
    expect(await here.checkpoints.diff(first.checkpoint, second.checkpoint)).toEqual(
      expect.arrayContaining([
        { op: 'replace', path: '/step', value: 2 },
        { op: 'add', path: '/more', value: true },
      ]),
    );

    const restored = await there.checkpoints.restore(second.checkpoint);
    const before = restored.checkpoint;
    expect(await here.sessions.get(session)).toEqual(restored.session);
    expect(restored.session.state).toEqual({ step: 2, more: true });
    expect(await here.checkpoints.get(before.checkpoint)).toEqual({ ...before, state: { step: 1 } });
    await here.checkpoints.delete(second.checkpoint);
    expect(await outcomeOf(there.checkpoints.get(second.checkpoint))).toBe('not_found');
    expect(await outcomeOf(there.checkpoints.restore(second.checkpoint))).toBe('not_found');
    await expect
      .poll(() => told)
      .toEqual([
        [1, 'created', first.checkpoint],
        [2, 'created', second.checkpoint],
        [3, 'created', before.checkpoint],
        [4, 'restored', second.checkpoint],
        [5, 'deleted', second.checkpoint],
      ]);

    await there.sessions.delete(session);
    const outcomes = await Promise.all(
      [
        here.sessions.get(session),
        here.sessions.messages(session).page(),
        here.checkpoints.list(session).page(),
        here.checkpoints.get(first.checkpoint),
        here.checkpoints.restore(before.checkpoint),
        here.sessions.update(session, { name: 'still here' }),
        here.sessions.delete(session),
      ].map(outcomeOf),
    );
    expect(new Set(outcomes)).toEqual(new Set(['not_found']));
    expect((await listed(here.sessions.list())).map((record) => record.session)).not.toContain(session);
  });

  it('lists are the same from both, over any number of pages', async () => {
    const [here, there] = await place.start();
    const made: string[] = [];
    for (let i = 0; i < 25; i += 1) made.unshift((await [here, there][i % 2]!.sessions.create()).session);
    for (const client of [here, there]) {
      const found = (await listed(client.sessions.list({ limit: 4 }))).map(({ session }) => session);
      // Two gateways' clocks decide on those of one millisecond.
      expect(found.toSorted()).toEqual(made.toSorted());
      expect(found).toEqual((await listed(client.sessions.list())).map(({ session }) => session));
    }
    const [session] = made;
    const labels = Array.from({ length: 25 }, (_, i) => `${i}`);
    for (const label of labels) await here.checkpoints.create(session!, { label });
    const list = await listed(there.checkpoints.list(session!, { limit: 4 }));
    expect(list.map(({ label }) => label)).toEqual(labels.toReversed());
  });

  it('of two that write at once one wins, and the other is told', async () => {
    const [here, there] = await place.start();
    let { session, rev } = await here.sessions.create();
    for (let i = 0; i < rounds; i += 1) {
      const both = [here, there].map((client, who) => client.sessions.update(session, { rev, state: { i, who } }));
      expect(await atOnce(both[0]!, both[1]!)).toEqual(['ok', 'conflict']);
      const record = await here.sessions.get(session);
      const winners = (await Promise.allSettled(both)).flatMap((one) =>
        one.status === 'fulfilled' ? [one.value] : [],
      );
      expect(winners).toEqual([record]);
      expect(record.rev).toBe(rev + 1);
      ({ rev } = record);

      const own = `own-${i}`;
      const making = [here, there].map((client) => client.sessions.create({ session: own }));
      expect(await atOnce(making[0]!, making[1]!)).toEqual(['ok', 'conflict']);

      const { checkpoint } = await there.checkpoints.create(own);
      const taking = [here, there].map((client) => client.checkpoints.delete(checkpoint));
      expect(await atOnce(taking[0]!, taking[1]!)).toEqual(['ok', 'not_found']);
      const ending = [here, there].map((client) => client.sessions.delete(own));
      expect(await atOnce(ending[0]!, ending[1]!)).toEqual(['ok', 'not_found']);
    }
  });

  it('nothing is lost that two add at once and that looks at the rev', async () => {
    const [here, there] = await place.start();
    const { session } = await here.sessions.create();
    const add = async (client: AgentwireClient): Promise<void> => {
      for (let added = 0; added < rounds;) {
        const { rev, state } = await client.sessions.get(session);
        const outcome = await outcomeOf(client.sessions.update(session, { rev, state: Number(state) + 1 }));
        if (outcome === 'ok') added += 1;
        else expect(outcome).toBe('conflict');
      }
    };
    await Promise.all([add(here), add(there), add(there)]);
    expect(await here.sessions.get(session)).toMatchObject({ state: 3 * rounds, rev: 3 * rounds + 1 });
  });

  it('restores and checkpoints that meet are each done as a whole', async () => {
    const [here, there] = await place.start();
    const { session } = await here.sessions.create();
    const [one, two] = [
      await here.checkpoints.create(session, { state: 'one' }),
      await here.checkpoints.create(session, { state: 'two' }),
    ];
    for (let i = 0; i < rounds; i += 1) {
      const done = await Promise.all([
        here.checkpoints.restore(one.checkpoint),
        there.checkpoints.restore(two.checkpoint),
        here.checkpoints.create(session, { tags: ['between'] }),
      ]);
      expect(done.slice(0, 2).map((restored) => (restored as { session: { state: unknown } }).session.state)).toEqual([
        'one',
        'two',
      ]);
    }
    const [all, auto, between] = await Promise.all([
      listed(there.checkpoints.list(session)),
      listed(there.checkpoints.list(session, { tag: 'auto' })),
      listed(there.checkpoints.list(session, { tag: 'between' })),
    ]);
    expect([all.length, auto.length, between.length]).toEqual([3 * rounds + 2, 2 * rounds, rounds]);
    // What the restores kept, and what they brought, is one chain: each was from what the one before had made of it.
    const { events } = await here.history(`session.${session}.checkpoints`, { limit: 1000 });
    const states = new Map(all.map(({ checkpoint, state }) => [checkpoint, state]));
    let state: unknown = null;
    for (const { data } of events) {
      const { kind, checkpoint, tags } = data as { kind: string; checkpoint: string; tags: string[] };
      if (kind === 'restored') state = states.get(checkpoint);
      else if (tags.length > 0) expect(states.get(checkpoint)).toEqual(state);
    }
    expect((await there.sessions.get(session)).state).toEqual(state);
  });

  it('a run keeps a checkpoint, and another one starts from it', async () => {
    const [here, there] = await place.start();
    const { session } = await here.sessions.create();
    await here.sessions.update(session, { state: { step: 1 } });
    const run = here.run('saving', { step: 2 }, { session });
    const kept: string[] = [];
    for await (const event of there.attach(await run.invocation)) {
      if (event.kind === 'checkpoint') kept.push(event.checkpoint);
    }
    expect(await run.result()).toEqual({ from: { step: 1 } });
    expect(await run.text()).toBe(`kept as ${kept[0]}`);
    const [checkpoint] = kept;
    expect(await listed(there.checkpoints.list(session))).toMatchObject([
      { checkpoint, session, label: 'half way', tags: ['run'], state: { step: 2 } },
    ]);
    expect((await there.sessions.get(session)).state).toEqual({ step: 1 });

    const next = there.run('saving', { step: 3 }, { session, checkpoint: checkpoint! });
    expect(await next.result()).toEqual({ from: { step: 2 } });
    const [, newest] = await listed(here.checkpoints.list(session));
    expect(newest!.checkpoint).toBe(checkpoint);
    await here.checkpoints.delete(checkpoint!);
    const late = there.run('saving', {}, { session, checkpoint: checkpoint! });
    expect(await outcomeOf(late.result())).toBe('not_found');
  });

  it('a session with a run that has not ended is not deleted, and goes with all that was said afterwards', async () => {
    const [here, there] = await place.start();
    const { session } = await here.sessions.create();
    const run = here.run('countdown', { from: 100_000, intervalMs: 20 }, { session });
    for await (const event of there.attach(await run.invocation)) if (event.kind === 'chunk') break;
    expect(await outcomeOf(there.sessions.delete(session))).toBe('conflict');
    await there.attach(await run.invocation).cancel();
    expect(await outcomeOf(run.result())).toBe('cancelled');
    expect(await here.run('echo', 'a word', { session }).text()).toBe('a word');
    await expect
      .poll(async () => (await listed(there.sessions.messages(session, { limit: 1 }))).at(-1))
      .toMatchObject({
        role: 'assistant',
        content: 'a word',
      });
    await there.sessions.delete(session);
    expect(await outcomeOf(here.run('echo', 'a word', { session }).result())).toBe('not_found');
    expect((await here.sessions.create({ session })).state).toBeNull();
    expect(await listed(there.sessions.messages(session))).toEqual([]);
    expect(await listed(there.checkpoints.list(session))).toEqual([]);
  });
});
