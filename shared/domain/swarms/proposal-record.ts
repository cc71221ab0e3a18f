import { must } from '../../base/assert.ts';
import { fail } from '../../base/errors.ts';
import type { Append, Change, Stored } from '../../engine/engine.ts';
import type { ProposalRecord } from '../../protocol/swarms.ts';
import type { SwarmConsensus, SwarmVote } from '../../protocol/well-known.ts';
import { eventBody } from '../../wire/event-frame.ts';
import { verdictAtLast } from './rules.ts';
import type { Tally, Verdict } from './rules.ts';
import { allVotesKeys } from './votes-record.ts';
import type { VotesRecord } from './votes-record.ts';

/** What never changes: it is large, with many voters, and written again only before its time is over. */
export interface KeptTerms extends Omit<ProposalRecord, 'tally' | 'decided' | 'accepted' | 'reason'> {
  /** The identity that proposed it. */
  readonly owner: string;
}

/** What changes with every vote. */
export interface Standing {
  readonly tally: Tally;
  readonly verdict?: Verdict;
  /** Until when the terms and the votes are kept, which is longer than this is. */
  readonly restUntil: number;
}

/** One proposal as it stands. */
export interface Kept {
  readonly terms: KeptTerms;
  readonly standing: Standing;
}

export const homeOfSwarm = (swarm: string): string => `swarm.${swarm}`;
export const termsKey = (proposal: string): string => `terms.${proposal}`;
export const standingKey = (proposal: string): string => `standing.${proposal}`;
/** Of a swarm, oldest first. A place that leads nowhere is left out by whoever reads. */
export const proposalsList = 'proposals';
/** The same proposals, by the time that they are kept until: whose time is over is found at its beginning. */
export const endsList = 'ends';

export function keptFrom(terms: Stored | undefined, standing: Stored | undefined): Kept | undefined {
  if (!terms || !standing) return undefined;
  return { terms: JSON.parse(terms.value) as KeptTerms, standing: JSON.parse(standing.value) as Standing };
}

export function recordOf({ terms, standing }: Kept): ProposalRecord {
  const { owner: _, ...rest } = terms;
  const { tally, verdict } = standing;
  return { ...rest, tally, decided: verdict !== undefined, ...verdict };
}

type Writes = Required<Pick<Change, 'put' | 'rank' | 'keepLists'>> & Pick<Change, 'del'>;

/** Until when it is kept after a change: for so long, and for as long after the deadline that it waits for. */
function keptUntil({ terms, standing }: Kept, now: number, keptMs: number): number {
  return Math.max(now, standing.verdict ? 0 : (terms.deadlineAt ?? 0)) + keptMs;
}

/** What does not change would be kept too short. */
export function renewsRest(kept: Kept, now: number, keptMs: number): boolean {
  return kept.standing.restUntil < keptUntil(kept, now, keptMs);
}

/**
 * The writes of one change. `votes` are the records of votes that change with it, or all of them where it renews the rest:
 * then the terms are written again as well.
 */
export function putKept(kept: Kept, votes: readonly VotesRecord[], now: number, keptMs: number): Writes {
  const { terms, standing } = kept;
  const { proposal } = terms;
  const until = keptUntil(kept, now, keptMs);
  const renewed = renewsRest(kept, now, keptMs);
  const restUntil = renewed ? until + keptMs : standing.restUntil;
  const rest = { ttlMs: restUntil - now };
  const put = [{ key: standingKey(proposal), value: JSON.stringify({ ...standing, restUntil }), ttlMs: until - now }];
  if (renewed) put.push({ key: termsKey(proposal), value: JSON.stringify(terms), ...rest });
  const rank = [{ list: endsList, key: proposal, score: until }];
  // The last proposal of a swarm takes the lists along: nobody comes after it to tidy them.
  const keepLists = [proposalsList, endsList].map((list) => ({ list, ttlMs: until - now }));
  // The tally is what stays of the votes.
  if (standing.verdict) return { put, rank, keepLists, del: allVotesKeys(proposal) };
  return { put: [...put, ...votes.map((record) => ({ ...record, ...rest }))], rank, keepLists };
}

/** At its deadline, by the votes that were cast. */
export function closed({ terms, standing }: Kept): Kept {
  return { terms, standing: { ...standing, verdict: verdictAtLast(terms, standing.tally) } };
}

/** It waits for nobody any more, and is only still to be decided. */
export function isDue({ terms, standing }: Kept, now: number): boolean {
  return standing.verdict === undefined && terms.deadlineAt !== undefined && terms.deadlineAt <= now;
}

export function toldOfProposal(record: ProposalRecord): Append {
  return told(record.swarm, 'proposal', record);
}

export function toldOfVote(vote: SwarmVote): Append {
  return told(vote.swarmId, 'vote', vote);
}

/** Goes with the commit that decides, and therefore there is one. */
export function toldOfConsensus({ terms, standing }: Kept): Append {
  const { swarm, proposal } = terms;
  const { accepted, reason } = must(standing.verdict);
  const consensus: SwarmConsensus = { swarmId: swarm, proposalId: proposal, accepted, tally: standing.tally, reason };
  return told(swarm, 'consensus', consensus);
}

/** `event` is plain data: whatever a client had to say in it was checked before. */
function told(swarm: string, kind: 'proposal' | 'vote' | 'consensus', event: object): Append {
  const body = eventBody(event);
  return { topic: `${homeOfSwarm(swarm)}.${kind}`, body: must(body.ok ? body.value : undefined) };
}

export const noProposal = fail('not_found', 'there is no such proposal');
