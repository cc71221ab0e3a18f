import { describe, expect, it } from 'vitest';
import { fail, ok } from '../../../shared/base/errors.ts';
import { keepDeadline } from '../../../shared/domain/swarms/deadlines.ts';
import { standingKey, termsKey } from '../../../shared/domain/swarms/proposal-record.ts';
import { allVotesKeys, recordIndexOf } from '../../../shared/domain/swarms/votes-record.ts';
import { maxVoters } from '../../../shared/protocol/swarms.ts';
import { DisturbedStore } from '../../support/disturbed-store.ts';
import { Dying } from './dying.ts';
import { alice, codeOf, got, through } from './runs-bench.ts';
import { keptS, newProposal, SwarmStage } from './swarms-bench.ts';

const yes = (voter: string): { voter: string; vote: string } => ({ voter, vote: 'yes' });
const crowd = (count: number): string[] => Array.from({ length: count }, (_, i) => `v${i}`);

describe('votes', () => {
  it('of a crowd at two gateways are counted exactly, and decide once', async () => {
    const stage = new SwarmStage();
    const voters = crowd(1000);
    await stage.propose({ voters, threshold: 0.49 });
    const gateways = [stage.swarms, stage.process()];
    const answers = await Promise.all(
      voters.map((voter, i) => gateways[i % 2]!.vote('s', 'p', { voter, vote: i % 3 === 0 ? 'no' : 'yes' })),
    );
    const codes = new Set(answers.map((answer) => (answer.ok ? 'ok' : answer.code)));
    expect(codes).toEqual(new Set(['ok', 'conflict']));
    const counted = answers.filter(({ ok: isOk }) => isOk).length;
    const record = await got(stage.swarms.get('s', 'p'));
    const votes = await stage.votes();
    expect(votes).toHaveLength(counted);
    expect(record.tally).toEqual({
      yes: votes.filter(({ vote }) => vote === 'yes').length,
      no: votes.filter(({ vote }) => vote === 'no').length,
      abstain: 0,
    });
    expect(await stage.consensus()).toEqual([
      { swarmId: 's', proposalId: 'p', accepted: true, tally: record.tally, reason: 'threshold_reached' },
    ]);
  });

  it('gather while others are on their way: a crowd costs few commits', async () => {
    const stage = new SwarmStage();
    const voters = crowd(1000);
    await stage.propose({ voters });
    let commits = 0;
    const { records } = stage.engine;
    const counting = through(stage.engine, {
      records: {
        commit: (home, change) => {
          commits += 1;
          return records.commit(home, change);
        },
      },
    });
    const gateway = stage.process(counting);
    await Promise.all(voters.map((voter) => gateway.vote('s', 'p', { voter, vote: 'abstain' })));
    expect((await got(gateway.get('s', 'p'))).tally).toEqual({ yes: 0, no: 0, abstain: 1000 });
    expect(commits).toBeLessThanOrEqual(6);
  });

  it('of the same voter take the place of each other, and the same one again tells nothing', async () => {
    const stage = new SwarmStage();
    await stage.propose({ quorum: 3 });
    await got(stage.swarms.vote('s', 'p', yes('a')));
    await got(stage.swarms.vote('s', 'p', yes('a')));
    await got(stage.swarms.vote('s', 'p', { ...yes('b'), identity: 'b' }));
    const record = await got(stage.swarms.vote('s', 'p', { voter: 'a', vote: 'no' }));
    expect(record).toMatchObject({ tally: { yes: 1, no: 1, abstain: 0 }, decided: false });
    const of = { swarmId: 's', proposalId: 'p' };
    expect(await stage.votes()).toEqual([
      { ...of, voter: 'a', vote: 'yes' },
      { ...of, voter: 'b', vote: 'yes', identity: 'b' },
      { ...of, voter: 'a', vote: 'no' },
    ]);
  });

  it('are refused with the fitting code', async () => {
    const stage = new SwarmStage();
    await stage.propose({ voters: ['a', 'b', 'c'] });
    const vote = (voter: string, option: string): Promise<string> =>
      codeOf(stage.swarms.vote('s', 'p', { voter, vote: option }));
    expect(await codeOf(stage.swarms.vote('s', 'none', yes('a')))).toBe('not_found');
    expect(await vote('a', 'maybe')).toBe('bad_request');
    expect(await vote('d', 'yes')).toBe('forbidden');
    expect([await vote('a', 'yes'), await vote('b', 'yes')]).toEqual(['ok', 'ok']);
    for (const [voter, option] of [
      ['a', 'yes'],
      ['c', 'no'],
      ['d', 'yes'],
      ['c', 'maybe'],
    ] as const) {
      expect(await vote(voter, option)).toBe('conflict');
    }
    expect(await stage.votes()).toHaveLength(2);
  });

  it('have their bounds: of one proposal, and on their way at one gateway', async () => {
    const stage = new SwarmStage();
    await stage.propose({ deadlineMs: 60_000 });
    const votes = crowd(maxVoters + 2).map((voter) => codeOf(stage.swarms.vote('s', 'p', yes(voter))));
    const codes = await Promise.all(votes);
    // The first was on its way already.
    expect(codes.filter((code) => code === 'ok')).toHaveLength(maxVoters);
    expect(codes.slice(-2)).toEqual(expect.arrayContaining(['busy']));
    expect(await codeOf(stage.swarms.vote('s', 'p', yes('one more')))).toBe('quota_exceeded');
    expect(await codeOf(stage.swarms.vote('s', 'p', { voter: 'v0', vote: 'no' }))).toBe('ok');
  });

  it('whose outcome was unknown can be sent again', async () => {
    const stage = new SwarmStage();
    await stage.propose({ quorum: 2 });
    const disturbed = new DisturbedStore();
    const gateway = stage.process(through(stage.engine, { records: disturbed.around(stage.engine).records }));
    for (const mood of ['away', 'mute', 'late'] as const) {
      disturbed.mood = mood;
      // Reads fail as well in any mood but the first, so that only the first call may have an effect.
      expect(await codeOf(gateway.vote('s', 'p', yes('a')))).toBe('unavailable');
      disturbed.mood = 'fine';
      await disturbed.arrive();
      expect(await codeOf(gateway.vote('s', 'p', yes('a')))).toBe('ok');
    }
    expect(await stage.votes()).toHaveLength(1);
  });
});

describe('a proposal', () => {
  it('is told of, and is the first of the list', async () => {
    const stage = new SwarmStage();
    const made = await stage.propose({ proposal: undefined as never, data: { n: 1 }, quorum: 2, deadlineMs: 10 });
    expect(made).toEqual({
      proposal: expect.stringMatching(/^[\da-f-]{36}$/) as string,
      swarm: 's',
      title: 'North?',
      data: { n: 1 },
      options: ['yes', 'no', 'abstain'],
      quorum: 2,
      threshold: 0.5,
      createdAt: stage.clock.now(),
      deadlineAt: stage.clock.now() + 10,
      tally: { yes: 0, no: 0, abstain: 0 },
      decided: false,
    });
    expect(await stage.told('proposal')).toEqual([made]);
    for (const proposal of ['p1', 'p2', 'p3']) await stage.propose({ proposal, quorum: 1 });
    const page = await got(stage.swarms.list('s', { limit: 3 }));
    expect(page.proposals.map(({ proposal }) => proposal)).toEqual(['p3', 'p2', 'p1']);
    const rest = await got(stage.swarms.list('s', { limit: 3, cursor: page.cursor! }));
    expect(rest).toEqual({ proposals: [made] });
    expect(await got(stage.swarms.list('other', { limit: 3 }))).toEqual({ proposals: [] });
    expect(await codeOf(stage.swarms.list('s', { limit: 3, cursor: 'nonsense' }))).toBe('bad_request');
  });

  it('has an id of its own, until it is no longer kept', async () => {
    const stage = new SwarmStage();
    await stage.propose({ quorum: 1 });
    const again = (): Promise<string> => codeOf(stage.swarms.propose(alice, newProposal({ deadlineMs: 5 })));
    expect(await again()).toBe('conflict');
    expect(await got(stage.engine.queue('deadlines').counts())).toMatchObject({ delayed: 0 });
    await got(stage.swarms.vote('s', 'p', yes('a')));
    expect(await again()).toBe('conflict');
    await stage.pass(keptS * 1000);
    expect(await again()).toBe('ok');
    expect((await got(stage.swarms.get('s', 'p'))).tally).toEqual({ yes: 0, no: 0, abstain: 0 });
  });

  it('has none of the votes of another one that had its id', async () => {
    const stage = new SwarmStage();
    for (let times = 0; times < 3; times += 1) {
      await stage.propose({ quorum: 2 });
      const voted = await got(stage.swarms.vote('s', 'p', yes('a')));
      expect(voted).toMatchObject({ tally: { yes: 1, no: 0, abstain: 0 }, decided: false });
      await stage.pass(keptS * 1000);
    }
    expect(await stage.votes()).toHaveLength(3);
  });

  it('of two of one id is one, and the other a conflict', async () => {
    const stage = new SwarmStage();
    const codes = await Promise.all(
      [1, 2].map((quorum) => codeOf(stage.process().propose(alice, newProposal({ quorum })))),
    );
    expect(codes.toSorted()).toEqual(['conflict', 'ok']);
    expect(await stage.told('proposal')).toHaveLength(1);
  });

  it.each([
    ['too long a text', { data: 'x'.repeat(1_000_000) }, 'payload_too_large'],
    ['data that is not plain', { data: { at: new Date(0) } }, 'bad_request'],
    ['nothing that could end it', { quorum: undefined as never }, 'bad_request'],
  ])('with %s is refused', async (_what, asked, code) => {
    const { swarms } = new SwarmStage();
    expect(await codeOf(swarms.propose(alice, newProposal({ quorum: 1, ...asked })))).toBe(code);
  });

  it('is kept after its last change, with its votes, however long it takes', async () => {
    const stage = new SwarmStage();
    await stage.propose({ quorum: 7 });
    const almostMs = keptS * 1000 - 1;
    for (const voter of crowd(6)) {
      await got(stage.swarms.vote('s', 'p', yes(voter)));
      await stage.pass(almostMs);
    }
    // Nobody who has voted can vote twice, were it only that the first vote was forgotten: it stands alone in its record.
    expect(crowd(6).filter((voter) => recordIndexOf(voter) === recordIndexOf('v0'))).toEqual(['v0']);
    await got(stage.swarms.vote('s', 'p', { voter: 'v0', vote: 'no' }));
    const decided = await got(stage.swarms.vote('s', 'p', yes('v6')));
    expect(decided).toMatchObject({ tally: { yes: 6, no: 1, abstain: 0 }, decided: true });
    const keys = [termsKey('p'), standingKey('p'), ...allVotesKeys('p')];
    expect((await got(stage.engine.records.read('swarm.s', keys))).filter(Boolean)).toHaveLength(2);
    await stage.pass(almostMs);
    expect(await codeOf(stage.swarms.get('s', 'p'))).toBe('ok');
    await stage.pass(2);
    expect(await codeOf(stage.swarms.get('s', 'p'))).toBe('not_found');
    expect(await got(stage.swarms.list('s', { limit: 10 }))).toEqual({ proposals: [] });
  });

  it('that was the last of its swarm takes the lists along when its time is over', async () => {
    const stage = new SwarmStage();
    await stage.propose({ proposal: 'first', quorum: 1 });
    await stage.propose({ proposal: 'last', voters: ['a', 'b'] });
    const listed = (): Promise<string[][]> =>
      Promise.all(
        ['proposals', 'ends'].map(
          async (list) => (await got(stage.engine.records.page('swarm.s', list, { limit: 100 }))).keys,
        ),
      );
    await stage.pass(keptS * 500);
    await got(stage.swarms.vote('s', 'last', yes('a')));
    await stage.pass(keptS * 1000 - 1);
    // A vote keeps the whole of it for longer.
    expect((await got(stage.swarms.list('s', { limit: 10 }))).proposals).toHaveLength(1);
    expect(await listed()).toEqual([
      ['first', 'last'],
      ['first', 'last'],
    ]);
    await stage.pass(1);
    expect(await listed()).toEqual([[], []]);
  });

  it('whose time is over is taken off the lists by the next ones', async () => {
    const stage = new SwarmStage();
    for (const proposal of crowd(20)) await stage.propose({ proposal, quorum: 1 });
    await stage.propose({ proposal: 'lasting', deadlineMs: 100 * keptS * 1000 });
    await stage.pass(keptS * 1000);
    const listed = async (list: string): Promise<number> =>
      (await got(stage.engine.records.page('swarm.s', list, { limit: 100 }))).keys.length;
    expect(await listed('ends')).toBe(21);
    for (const proposal of ['a', 'b', 'c']) {
      await stage.propose({ proposal, quorum: 1 });
      await stage.pass(1);
    }
    expect([await listed('ends'), await listed('proposals')]).toEqual([4, 4]);
  });
});

describe('a deadline', () => {
  const asked = { deadlineMs: 1000, quorum: 2 };

  it('is kept by a worker, once, whoever else looks at the same time', async () => {
    const stage = new SwarmStage();
    await stage.propose(asked);
    await got(stage.swarms.vote('s', 'p', yes('a')));
    const counts = (): Promise<unknown> => got(stage.engine.queue('deadlines').counts());
    expect(await counts()).toEqual({ waiting: 0, delayed: 1, running: 0 });
    await stage.work(stage.process());
    await stage.work(stage.process());
    await stage.pass(999);
    expect(await stage.consensus()).toEqual([]);
    await stage.pass(1);
    expect(await stage.consensus()).toEqual([
      {
        swarmId: 's',
        proposalId: 'p',
        accepted: false,
        tally: { yes: 1, no: 0, abstain: 0 },
        reason: 'quorum_not_reached',
      },
    ]);
    expect(await counts()).toEqual({ waiting: 0, delayed: 0, running: 0 });
  });

  it('is not missed because another proposal of this name was given up with a later one', async () => {
    const stage = new SwarmStage();
    const dying = new Dying(stage.engine, 1, false);
    const later = newProposal({ deadlineMs: 1_000_000 });
    expect(await codeOf(stage.process(dying.engine).propose(alice, later))).toBe('unavailable');
    await stage.propose(asked);
    await stage.work();
    await stage.pass(1000);
    expect(await stage.consensus()).toHaveLength(1);
  });

  it.each<[string, (stage: SwarmStage) => Promise<string>, string]>([
    ['reads', (stage) => codeOf(stage.swarms.get('s', 'p')), 'ok'],
    ['lists', (stage) => codeOf(stage.swarms.list('s', { limit: 1 })), 'ok'],
    ['votes', (stage) => codeOf(stage.swarms.vote('s', 'p', yes('late'))), 'conflict'],
  ])('that nobody kept is kept by whoever %s', async (_what, act, code) => {
    const stage = new SwarmStage();
    await stage.propose({ ...asked, quorum: 1, threshold: 0.5, voters: ['a', 'b', 'late'] });
    await got(stage.swarms.vote('s', 'p', yes('a')));
    await stage.pass(1000);
    expect(await stage.consensus()).toEqual([]);
    const codes = await Promise.all([act(stage), act(stage)]);
    expect(codes).toEqual([code, code]);
    expect(await stage.consensus()).toMatchObject([{ accepted: true, reason: 'threshold_reached' }]);
    const { proposals } = await got(stage.swarms.list('s', { limit: 1 }));
    expect(proposals).toEqual([await got(stage.swarms.get('s', 'p'))]);
    expect(proposals[0]).toMatchObject({ decided: true, tally: { yes: 1, no: 0, abstain: 0 } });
  });

  it('races the votes: whatever is counted is counted before it', async () => {
    for (let early = 0; early < 20; early += 1) {
      const stage = new SwarmStage();
      const voters = crowd(40);
      await stage.propose({ voters, deadlineMs: 100, threshold: 0.9 });
      await stage.work(stage.process());
      const gateways = [stage.swarms, stage.process()];
      const voting = voters.map(async (voter, i) => {
        for (let turns = 0; turns < i % 7; turns += 1) await Promise.resolve();
        if (i === early) stage.clock.advance(100);
        return gateways[i % 2]!.vote('s', 'p', yes(voter));
      });
      const answers = await Promise.all(voting);
      await stage.pass(10);
      const counted = answers.filter((answer) => answer.ok).length;
      expect(await stage.votes()).toHaveLength(counted);
      expect(await stage.consensus()).toMatchObject([{ tally: { yes: counted, no: 0, abstain: 0 } }]);
    }
  });

  it('that leads nowhere is looked at again until a minute after its time', async () => {
    const { clock } = new SwarmStage();
    const at = clock.now();
    const data = JSON.stringify({ swarm: 's', proposal: 'p', at });
    const keep = (result: ReturnType<typeof fail>): ReturnType<typeof keepDeadline> =>
      keepDeadline({ closeIfDue: () => Promise.resolve(result) }, data, clock);
    expect(await keep(fail('not_found'))).toEqual({ againInMs: expect.any(Number) as number });
    clock.advance(60_000);
    expect(await keep(fail('not_found'))).toBe('done');
    for (const code of ['unavailable', 'busy'] as const) {
      expect(await keep(fail(code))).toEqual({ againInMs: expect.any(Number) as number });
    }
  });

  it('waits for a worker whose clock is behind, and leaves another time to its own job', async () => {
    const stage = new SwarmStage();
    const record = await stage.propose({ deadlineMs: 1000 });
    const closing = { closeIfDue: () => Promise.resolve(ok(record)) };
    const keep = (at: number): ReturnType<typeof keepDeadline> =>
      keepDeadline(closing, JSON.stringify({ swarm: 's', proposal: 'p', at }), stage.clock);
    expect(await keep(record.deadlineAt!)).toEqual({ againInMs: 1000 });
    expect(await keep(record.deadlineAt! - 500)).toBe('done');
  });
});

describe('a process that dies', () => {
  const proposing = (stage: SwarmStage, dying: Dying): Promise<string> =>
    codeOf(stage.process(dying.engine).propose(alice, newProposal({ deadlineMs: 1000, voters: ['a', 'b', 'c'] })));

  it.each([false, true])('while it proposes leaves a proposal that is decided, or nothing (mute: %s)', async (mute) => {
    for (let changes = mute ? 1 : 0; ; changes += 1) {
      const stage = new SwarmStage();
      const dying = new Dying(stage.engine, changes, mute);
      const code = await proposing(stage, dying);
      const there = (await codeOf(stage.swarms.get('s', 'p'))) === 'ok';
      if (code === 'ok') expect(there).toBe(true);
      expect(await stage.told('proposal')).toHaveLength(there ? 1 : 0);
      expect((await got(stage.swarms.list('s', { limit: 5 }))).proposals).toHaveLength(there ? 1 : 0);
      // Whoever was not told proposes it again.
      if (!there) expect(await proposing(stage, new Dying(stage.engine, 10, false))).toBe('ok');
      await stage.work();
      await stage.pass(120_000);
      expect(await stage.consensus()).toHaveLength(1);
      expect(await got(stage.engine.queue('deadlines').counts())).toEqual({ waiting: 0, delayed: 0, running: 0 });
      if (dying.survived) return expect(changes).toBeGreaterThanOrEqual(2);
    }
  });

  it.each([false, true])('while it counts or decides leaves all of it, or nothing (mute: %s)', async (mute) => {
    for (let changes = mute ? 1 : 0; ; changes += 1) {
      const stage = new SwarmStage();
      await stage.propose({ voters: ['a', 'b', 'c'] });
      const dying = new Dying(stage.engine, changes, mute);
      const gateway = stage.process(dying.engine);
      for (const voter of ['a', 'b']) await gateway.vote('s', 'p', yes(voter));
      const votes = await stage.votes();
      const record = await got(stage.swarms.get('s', 'p'));
      expect(record.tally['yes']).toBe(votes.length);
      expect(await stage.consensus()).toHaveLength(record.decided ? 1 : 0);
      const codes = [
        await codeOf(stage.swarms.vote('s', 'p', yes('a'))),
        await codeOf(stage.swarms.vote('s', 'p', yes('b'))),
      ];
      if (!record.decided) expect(codes).toEqual(['ok', 'ok']);
      expect(await stage.votes()).toHaveLength(2);
      expect(await stage.consensus()).toHaveLength(1);
      if (dying.survived) return expect(changes).toBeGreaterThanOrEqual(2);
    }
  });

  it.each([false, true])('while it keeps a deadline leaves it to the next (mute: %s)', async (mute) => {
    for (let changes = mute ? 1 : 0; ; changes += 1) {
      const stage = new SwarmStage();
      await stage.propose({ deadlineMs: 1000 });
      await stage.pass(1000);
      const dying = new Dying(stage.engine, changes, mute);
      await stage.process(dying.engine).closeIfDue('s', 'p');
      await stage.work();
      await stage.pass(10);
      expect(await stage.consensus()).toHaveLength(1);
      if (dying.survived) return;
    }
  });
});
