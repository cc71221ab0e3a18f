import { fail } from '../../base/errors.ts';
import type { Failure } from '../../base/errors.ts';
import type { Append } from '../../engine/engine.ts';
import { maxVoters } from '../../protocol/swarms.ts';
import { toldOfVote } from './proposal-record.ts';
import type { Kept, KeptTerms } from './proposal-record.ts';
import { verdictSoFar } from './rules.ts';
import type { Tally } from './rules.ts';
import type { Votes } from './votes-record.ts';

export interface Ballot {
  readonly voter: string;
  readonly vote: string;
  /** Who is behind the voter, where authentication is on. */
  readonly identity?: string;
}

export interface Counted {
  readonly kept: Kept;
  readonly votes: Votes;
  /** What became of each ballot; nothing where it counts. */
  readonly refusals: readonly (Failure | undefined)[];
  /** Of the votes that changed something. */
  readonly told: readonly Append[];
}

/**
 * One ballot after the other, until one of them decides: those behind it come too late. `before` are the votes that these
 * voters gave until now, and whichever others.
 */
export function count({ terms, standing }: Kept, before: Votes, ballots: readonly Ballot[]): Counted {
  const { swarm: swarmId, proposal: proposalId, options } = terms;
  const votes = new Map(before);
  const tally = { ...standing.tally };
  let { verdict } = standing;
  const refusalOf = refusing(terms, votes, tally);
  const told: Append[] = [];
  const refusals = ballots.map((ballot) => {
    const { voter, vote } = ballot;
    const refusal = verdict ? tooLate : refusalOf(ballot);
    const last = votes.get(voter);
    const index = options.indexOf(vote);
    if (refusal || last === index) return refusal;
    if (last !== undefined) tally[options[last] ?? ''] = (tally[options[last] ?? ''] ?? 0) - 1;
    tally[vote] = (tally[vote] ?? 0) + 1;
    votes.set(voter, index);
    told.push(toldOfVote({ swarmId, proposalId, ...ballot }));
    verdict = verdictSoFar(terms, tally);
    return undefined;
  });
  return { kept: { terms, standing: { ...standing, tally, ...(verdict ? { verdict } : {}) } }, votes, refusals, told };
}

function refusing({ options, voters }: KeptTerms, votes: Votes, tally: Tally): (ballot: Ballot) => Failure | undefined {
  const known = voters && new Set(voters);
  return ({ voter, vote }) => {
    if (!options.includes(vote)) return fail('bad_request', `vote: the options are ${options.join(', ')}`);
    if (known && !known.has(voter)) return stranger;
    if (known || votes.has(voter)) return undefined;
    return options.reduce((sum, one) => sum + (tally[one] ?? 0), 0) >= maxVoters ? full : undefined;
  };
}

const tooLate = fail('conflict', 'it is decided');
const stranger = fail('forbidden', 'this voter is not among those who are asked');
const full = fail('quota_exceeded', `${maxVoters} have voted already, and more cannot`);
