import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../../../shared/base/assert.ts';
import { emptyTally, proposalFault, verdictAtLast, verdictSoFar } from '../../../shared/domain/swarms/rules.ts';
import type { Tally, Terms } from '../../../shared/domain/swarms/rules.ts';
import { count } from '../../../shared/domain/swarms/voting.ts';
import { maxVoters } from '../../../shared/protocol/swarms.ts';

type Cast = string | undefined;

const names = ['v1', 'v2', 'v3', 'v4', 'v5', 'v6'];
const optionsArb = fc.constantFrom<string[][]>(
  ['yes', 'no'],
  ['yes', 'no', 'abstain'],
  ['yes', 'abstain'],
  ['abstain?', 'abstain', 'no'],
  ['a', 'b', 'c'],
);
/** Thresholds at which a share can stand exactly, and those between. */
const thresholdArb = fc.oneof(
  fc.constantFrom(0, 0.5, 0.7, 1 / 3, 2 / 3, 0.75, 0.2, 0.999),
  fc.double({ min: 0, max: 0.9999, noNaN: true }),
);

/** The words of the protocol, as plainly as can be. */
function modelAccepts({ options, quorum, threshold }: Terms, cast: readonly Cast[]): boolean {
  const votes = cast.filter((vote) => vote !== undefined);
  if (quorum !== undefined && votes.length < quorum) return false;
  const counted = votes.filter((vote) => vote !== 'abstain');
  const yes = counted.filter((vote) => vote === options[0]);
  return counted.length > 0 && yes.length / counted.length > threshold;
}

/** Whatever those who have not voted do: each vote, and where a quorum is asked for none. */
function* completions(terms: Terms, cast: readonly Cast[]): Generator<readonly Cast[]> {
  const at = cast.indexOf(undefined);
  if (at < 0) return yield cast;
  const rest = cast.slice(at + 1);
  for (const option of terms.options) yield* around(cast.slice(0, at), [option], terms, rest);
  if (terms.quorum !== undefined) yield* around(cast.slice(0, at), [], terms, rest);
}

function* around(
  before: readonly Cast[],
  own: readonly string[],
  terms: Terms,
  rest: readonly Cast[],
): Generator<readonly Cast[]> {
  for (const tail of completions(terms, rest)) yield [...before, ...own, ...tail];
}

function modelVerdict(terms: Terms, cast: readonly Cast[]): boolean | undefined {
  const votes = cast.filter((vote) => vote !== undefined);
  if (!terms.voters) {
    return terms.quorum !== undefined && votes.length >= terms.quorum ? modelAccepts(terms, votes) : undefined;
  }
  const outcomes = new Set<boolean>();
  for (const all of completions(terms, cast)) {
    outcomes.add(modelAccepts(terms, all));
    if (outcomes.size > 1) return undefined;
  }
  return outcomes.has(true);
}

function tallyOf(options: readonly string[], cast: readonly Cast[]): Tally {
  const tally = emptyTally(options);
  for (const vote of cast) if (vote !== undefined) tally[vote] = must(tally[vote]) + 1;
  return tally;
}

const termsArb: fc.Arbitrary<Terms> = fc
  .record({
    options: optionsArb,
    threshold: thresholdArb,
    voters: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
    quorum: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
  })
  .map(({ options, threshold, voters, quorum }) => ({
    options,
    threshold,
    ...(voters === undefined ? {} : { voters: names.slice(0, voters) }),
    ...(quorum === undefined ? {} : { quorum: Math.min(quorum, voters ?? 6) }),
  }));

const withVotes = termsArb.chain((terms) =>
  fc.record({
    terms: fc.constant(terms),
    cast: fc.array(fc.option(fc.constantFrom(...terms.options), { nil: undefined, freq: 3 }), {
      minLength: terms.voters?.length ?? 0,
      maxLength: terms.voters?.length ?? 6,
    }),
  }),
);

describe('a verdict', () => {
  it('stands as soon as those who have not voted cannot change it, and not before', () => {
    fc.assert(
      fc.property(withVotes, ({ terms, cast }) => {
        const verdict = verdictSoFar(terms, tallyOf(terms.options, cast));
        expect(verdict?.accepted).toBe(modelVerdict(terms, cast));
      }),
      { numRuns: 2000 },
    );
  });

  it('at the deadline is that of the votes cast, and without the quorum never an accepted one', () => {
    fc.assert(
      fc.property(withVotes, ({ terms, cast }) => {
        const { accepted, reason } = verdictAtLast(terms, tallyOf(terms.options, cast));
        expect(accepted).toBe(modelAccepts(terms, cast));
        const short = cast.filter((vote) => vote !== undefined).length < (terms.quorum ?? 0);
        expect(reason).toBe(short ? 'quorum_not_reached' : accepted ? 'threshold_reached' : 'threshold_not_reached');
      }),
      { numRuns: 1000 },
    );
  });

  it('needs strictly more than the threshold, by division', () => {
    const seven = { yes: 7, no: 3, abstain: 5 };
    const terms = { options: ['yes', 'no', 'abstain'], threshold: 0.7 };
    expect(verdictAtLast(terms, seven)).toEqual({ accepted: false, reason: 'threshold_not_reached' });
    expect(verdictAtLast({ ...terms, threshold: 0.69 }, seven).accepted).toBe(true);
    expect(verdictAtLast({ ...terms, threshold: 0 }, { yes: 0, no: 0, abstain: 5 }).accepted).toBe(false);
  });

  it('of votes that come in any order and are changed is that of the last ones until it stands', () => {
    const ballotsArb = fc.array(
      fc.record({ voter: fc.constantFrom(...names, 'stranger', '__proto__'), pick: fc.nat(5), size: fc.nat(3) }),
      { maxLength: 25 },
    );
    fc.assert(
      fc.property(termsArb, ballotsArb, (terms, picks) => {
        const last = new Map<string, string>();
        let decided: boolean | undefined;
        const kept = { ...terms, swarm: 's', proposal: 'p', title: '', createdAt: 0, owner: 'o' };
        let state = count({ terms: kept, standing: { tally: emptyTally(terms.options), restUntil: 0 } }, new Map(), []);
        const ballots = picks.map(({ voter, pick }) => ({ voter, vote: terms.options[pick] ?? 'nothing' }));
        while (ballots.length > 0) {
          const some = ballots.splice(0, must(picks[ballots.length - 1]).size + 1);
          state = count(state.kept, state.votes, some);
          let changed = 0;
          for (const [i, { voter, vote }] of some.entries()) {
            const code = state.refusals[i]?.code;
            if (decided !== undefined) expect(code).toBe('conflict');
            else if (!terms.options.includes(vote)) expect(code).toBe('bad_request');
            else if (terms.voters && !terms.voters.includes(voter)) expect(code).toBe('forbidden');
            else {
              expect(code).toBeUndefined();
              if (last.get(voter) === vote) continue;
              changed += 1;
              last.set(voter, vote);
              const cast = terms.voters ? terms.voters.map((name) => last.get(name)) : [...last.values()];
              decided = modelVerdict(terms, cast);
            }
          }
          expect(state.told).toHaveLength(changed);
          expect(state.kept.standing.tally).toEqual(tallyOf(terms.options, [...last.values()]));
          expect(state.kept.standing.verdict?.accepted).toBe(decided);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('a proposal', () => {
  const fine = { options: ['yes', 'no'], threshold: 0.5, quorum: 1 };

  it.each([
    ['nothing that could end it', { options: ['yes', 'no'], threshold: 0.5 }, 'voters, quorum and deadlineMs'],
    ['one option', { ...fine, options: ['yes'] }, 'options'],
    ['nothing but abstentions to accept', { ...fine, options: ['abstain', 'no'] }, 'options'],
    ['an option twice', { ...fine, options: ['yes', 'no', 'yes'] }, 'yes'],
    ['an option that no map can carry', { ...fine, options: ['yes', '__proto__'] }, '__proto__'],
    ['a voter twice', { ...fine, voters: ['a', 'b', 'a'] }, 'voters: a'],
    ['a quorum of more than its voters', { ...fine, voters: ['a'], quorum: 2 }, 'quorum'],
    ['a quorum of more than can vote', { ...fine, quorum: maxVoters + 1 }, 'quorum'],
  ])('with %s is at fault', (_what, asked, named) => {
    expect(proposalFault(asked)).toContain(named);
  });

  it.each([
    ['voters', { options: ['yes', 'abstain'], threshold: 0, voters: ['__proto__', ' a', 'a'] }],
    ['a quorum', { ...fine, quorum: maxVoters }],
    ['a deadline', { options: ['yes', 'no'], threshold: 0.5, deadlineMs: 1 }],
  ])('with %s can be decided', (_what, asked) => {
    expect(proposalFault(asked)).toBeUndefined();
  });
});
