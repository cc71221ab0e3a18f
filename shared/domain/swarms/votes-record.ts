import type { Stored } from '../../engine/engine.ts';

/** The index of the option that each one voted for. As a map, since a voter may be called anything. */
export type Votes = ReadonlyMap<string, number>;

/** The votes of some voters, as they are written. */
export interface VotesRecord {
  readonly key: string;
  readonly value: string;
}

/**
 * A vote writes all that share its record: of one record for 10,000 voters that took 7 ms. One for each voter would make
 * a crowd's commit many times as large, and could not be taken away with the decision, since nobody knows their names.
 */
const recordCount = 16;

export const votesKey = (proposal: string, index: number): string => `votes.${proposal}.${index}`;

export function allVotesKeys(proposal: string): string[] {
  return Array.from({ length: recordCount }, (_, index) => votesKey(proposal, index));
}

/** In which of the records a voter's vote is: FNV-1a, folded, since names often differ in the last character only. */
export function recordIndexOf(voter: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < voter.length; i++) hash = Math.imul(hash ^ voter.charCodeAt(i), 0x01000193);
  return ((hash ^ (hash >>> 16)) >>> 0) % recordCount;
}

export function votesFrom(records: readonly (Stored | undefined)[]): Votes {
  return new Map(records.flatMap((stored) => (stored ? (JSON.parse(stored.value) as [string, number][]) : [])));
}

/** Those of the records that are named which hold something. */
export function votesRecords(proposal: string, votes: Votes, indexes: ReadonlySet<number>): VotesRecord[] {
  const parts = new Map<number, [string, number][]>([...indexes].map((index) => [index, []]));
  for (const vote of votes) parts.get(recordIndexOf(vote[0]))?.push(vote);
  return [...parts].flatMap(([index, some]) =>
    some.length > 0 ? [{ key: votesKey(proposal, index), value: JSON.stringify(some) }] : [],
  );
}
