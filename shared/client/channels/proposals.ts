import { newId } from '../../base/ids.ts';
import type { ProposalRecord, ProposalResult, SwarmProposeRequest } from '../../protocol/swarms.ts';
import type { SwarmConsensus } from '../../protocol/well-known.ts';
import type { AgentwireClient } from '../client.ts';
import { AgentwireError } from '../errors.ts';
import { saysTheSame } from './same.ts';

/** What was decided, in the broker's words and in those of the ancestor. */
export interface Consensus extends SwarmConsensus {
  readonly type: 'accepted' | 'rejected';
  readonly result: { accepted: boolean; votesFor: number; votesAgainst: number; abstentions: number };
}

/** What is left out is as PROTOCOL says. One of `voters`, `quorum` and `deadlineMs` there must be. */
export type NewProposal = Omit<SwarmProposeRequest, 'type' | 'id' | 'swarm' | 'options' | 'threshold'> &
  Partial<Pick<SwarmProposeRequest, 'options' | 'threshold'>>;

/** As the schema of the request fills in, which is not part of the library. */
const defaultOptions = ['yes', 'no', 'abstain'];
const defaultThreshold = 0.5;

/** Once, however often it is sent: one of this id that is there already and says the same is the one. */
export async function propose(client: AgentwireClient, swarm: string, asked: NewProposal): Promise<ProposalRecord> {
  const { proposal = newId(), ...rest } = asked;
  try {
    return await ask(client, { ...rest, type: 'swarm.propose', swarm, proposal });
  } catch (error) {
    if (!(error instanceof AgentwireError && error.code === 'conflict')) throw error;
    const there = await proposalOf(client, swarm, proposal);
    if (!isAskedAgain(there, asked)) throw error;
    return there;
  }
}

/** What was asked for, with what stands for what was left out. The deadline is so long after the making. */
function isAskedAgain(there: ProposalRecord, asked: NewProposal): boolean {
  const { title, data, options = defaultOptions, voters, quorum, threshold = defaultThreshold, deadlineMs } = asked;
  const { createdAt, deadlineAt } = there;
  const madeFor = deadlineAt === undefined ? undefined : deadlineAt - createdAt;
  return saysTheSame(
    { title, data, options, voters, quorum, threshold, deadlineMs },
    {
      title: there.title,
      data: there.data,
      options: there.options,
      voters: there.voters,
      quorum: there.quorum,
      threshold: there.threshold,
      deadlineMs: madeFor,
    },
  );
}

export function submitVote(
  client: AgentwireClient,
  swarm: string,
  proposal: string,
  vote: string,
  voter: string,
): Promise<ProposalRecord> {
  return ask(client, { type: 'swarm.vote', swarm, proposal, vote, voter });
}

export function proposalOf(client: AgentwireClient, swarm: string, proposal: string): Promise<ProposalRecord> {
  return ask(client, { type: 'swarm.proposal', swarm, proposal });
}

/** Each of them may be said twice. */
async function ask(
  client: AgentwireClient,
  frame: { readonly type: string; readonly [field: string]: unknown },
): Promise<ProposalRecord> {
  const { proposal } = await client.request<ProposalResult>(frame, { again: true });
  return proposal;
}

export function decisionOf(record: ProposalRecord): Consensus | undefined {
  const { swarm, proposal, decided, accepted = false, tally, reason = '' } = record;
  return decided ? inBothWords({ swarmId: swarm, proposalId: proposal, accepted, tally, reason }) : undefined;
}

export function inBothWords(consensus: SwarmConsensus): Consensus {
  const { accepted, tally } = consensus;
  const { yes = 0, no = 0, abstain = 0 } = tally;
  return {
    ...consensus,
    type: accepted ? 'accepted' : 'rejected',
    result: { accepted, votesFor: yes, votesAgainst: no, abstentions: abstain },
  };
}
