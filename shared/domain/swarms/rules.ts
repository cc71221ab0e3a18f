import { abstain, maxVoters } from '../../protocol/swarms.ts';
import type { ProposalRecord } from '../../protocol/swarms.ts';
import { protoKey } from '../../wire/plain.ts';

/** What a proposal is decided by. */
export type Terms = Pick<ProposalRecord, 'options' | 'voters' | 'quorum' | 'threshold'>;
/** How often each option was voted for. Every option is in it. */
export type Tally = ProposalRecord['tally'];

export type Reason = 'threshold_reached' | 'threshold_not_reached' | 'quorum_not_reached';

export interface Verdict {
  readonly accepted: boolean;
  readonly reason: Reason;
}

/** What is wrong with a proposal, in words: it could never be decided, or nobody could say what its votes mean. */
export function proposalFault(asked: Terms & { readonly deadlineMs?: number | undefined }): string | undefined {
  const { options, voters, quorum, deadlineMs } = asked;
  if (!voters && quorum === undefined && deadlineMs === undefined) {
    return 'one of voters, quorum and deadlineMs is needed: without them it could never be decided';
  }
  if (options.length < 2) return 'options: there must be two at least';
  if (options[0] === abstain) return `options: the first one accepts, so it cannot be ${abstain}`;
  // It would be a key of the tally, and is carried in no frame.
  if (options.includes('__proto__')) return `options: ${protoKey}`;
  const option = firstTwice(options);
  if (option !== undefined) return `options: ${option} is there twice`;
  const voter = voters && firstTwice(voters);
  if (voter !== undefined) return `voters: ${voter} is there twice`;
  if (quorum === undefined || quorum <= (voters?.length ?? maxVoters)) return undefined;
  return voters ? 'quorum: there are fewer voters' : `quorum: at most ${maxVoters} can vote`;
}

function firstTwice(names: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return names.find((name) => seen.size === seen.add(name).size);
}

export function emptyTally(options: readonly string[]): Tally {
  return Object.fromEntries(options.map((option) => [option, 0]));
}

/** After a vote. Nothing while those who have not voted can still change the outcome; what was cast counts as final. */
export function verdictSoFar(terms: Terms, tally: Tally): Verdict | undefined {
  const { options, voters, quorum = 0, threshold } = terms;
  const { cast, yes, counted } = sums(options, tally);
  if (!voters) return cast >= quorum && quorum > 0 ? verdictAtLast(terms, tally) : undefined;
  const left = voters.length - cast;
  // The worst that they can do is to vote for something else; where there is nothing else, they can abstain.
  const against = options.some((option, i) => i > 0 && option !== abstain) ? left : 0;
  const sure = cast >= quorum && share(yes, counted + against) > threshold;
  if (sure) return { accepted: true, reason: 'threshold_reached' };
  const possible = share(yes + left, counted + left) > threshold;
  return possible ? undefined : { accepted: false, reason: 'threshold_not_reached' };
}

/** By the votes that were cast: there will be no more. */
export function verdictAtLast({ options, quorum = 0, threshold }: Terms, tally: Tally): Verdict {
  const { cast, yes, counted } = sums(options, tally);
  if (cast < quorum) return { accepted: false, reason: 'quorum_not_reached' };
  const accepted = share(yes, counted) > threshold;
  return { accepted, reason: accepted ? 'threshold_reached' : 'threshold_not_reached' };
}

function sums(options: readonly string[], tally: Tally): { cast: number; yes: number; counted: number } {
  const votesFor = (option = ''): number => tally[option] ?? 0;
  const cast = options.reduce((sum, option) => sum + votesFor(option), 0);
  const abstained = options.includes(abstain) ? votesFor(abstain) : 0;
  return { cast, yes: votesFor(options[0]), counted: cast - abstained };
}

function share(yes: number, counted: number): number {
  return counted === 0 ? 0 : yes / counted;
}
