import { must } from '../../../../shared/base/assert.ts';
import { fail, ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import type { NewProposal } from '../../../../shared/domain/swarms/swarms.ts';
import type {
  ProposalRecord,
  ProposalResult,
  SwarmProposalRequest,
  SwarmProposalsRequest,
  SwarmProposalsResult,
  SwarmVoteRequest,
} from '../../../../shared/protocol/swarms.ts';
import type { Broker } from '../broker.ts';
import type { Caller } from '../caller.ts';

export async function propose({ swarms }: Broker, caller: Caller, input: NewProposal): Promise<Result<ProposalResult>> {
  return asResult(await swarms.propose(must(caller.identity), input));
}

/** Where it is known who somebody is, nobody votes for another; an admin neither. */
export async function vote(
  { swarms, auth }: Broker,
  caller: Caller,
  { swarm, proposal, vote: option, voter }: Pick<SwarmVoteRequest, 'swarm' | 'proposal' | 'vote' | 'voter'>,
): Promise<Result<ProposalResult>> {
  const { id } = must(caller.identity);
  if (auth.required && voter !== id) return fail('forbidden', `you vote as ${id}, and for nobody else`);
  const identity = auth.required ? { identity: id } : {};
  return asResult(await swarms.vote(swarm, proposal, { voter, vote: option, ...identity }));
}

export async function getProposal(
  { swarms }: Broker,
  _caller: Caller,
  { swarm, proposal }: Pick<SwarmProposalRequest, 'swarm' | 'proposal'>,
): Promise<Result<ProposalResult>> {
  return asResult(await swarms.get(swarm, proposal));
}

/** Newest first. A page is no longer than an answer may be. */
export function listProposals(
  { swarms }: Broker,
  _caller: Caller,
  { swarm, ...asked }: Pick<SwarmProposalsRequest, 'swarm' | 'limit' | 'cursor'>,
): Promise<Result<SwarmProposalsResult>> {
  return swarms.list(swarm, asked);
}

function asResult(found: Result<ProposalRecord>): Result<ProposalResult> {
  return found.ok ? ok({ proposal: found.value }) : found;
}
