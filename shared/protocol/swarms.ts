import * as z from 'zod';
import { count, envelope } from './common.ts';
import { cursor, pageLimit } from './runs.ts';

/** A segment of its topics. */
export const swarmId = z.string().regex(/^[\w-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ -');
export const proposalId = z.string().regex(/^[\w-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ -');
const voter = z.string().min(1).max(256);
const option = z.string().min(1).max(128);

/** Votes for it are counted, and count for nothing. */
export const abstain = 'abstain';
export const maxOptions = 32;
/** All of them stand in the record, which each vote is answered with. */
export const maxVoters = 10_000;
const maxDeadlineMs = 30 * 24 * 3600 * 1000;

/** `options[0]` accepts. `tally` lists every option. `reason` is there once it is decided. */
export const proposalRecord = z.object({
  proposal: proposalId,
  swarm: swarmId,
  title: z.string(),
  data: z.unknown().optional(),
  options: z.array(option),
  voters: z.array(voter).exactOptional(),
  quorum: count.exactOptional(),
  threshold: z.number(),
  createdAt: count,
  deadlineAt: count.exactOptional(),
  tally: z.record(z.string(), count),
  decided: z.boolean(),
  accepted: z.boolean().exactOptional(),
  reason: z.string().exactOptional(),
});
export type ProposalRecord = z.output<typeof proposalRecord>;

/** Whether it could ever be decided, and what its fields mean together, is for shared/domain/swarms to say. */
export const swarmProposeRequest = z.object({
  type: z.literal('swarm.propose'),
  ...envelope,
  swarm: swarmId,
  proposal: proposalId.exactOptional(),
  title: z.string().min(1).max(1024),
  data: z.unknown().optional(),
  options: z
    .array(option)
    .min(1)
    .max(maxOptions)
    .default(() => ['yes', 'no', abstain]),
  voters: z.array(voter).min(1).max(maxVoters).exactOptional(),
  quorum: z.int().min(1).exactOptional(),
  threshold: z.number().min(0).lt(1).default(0.5),
  deadlineMs: z.int().min(1).max(maxDeadlineMs).exactOptional(),
});
export type SwarmProposeRequest = z.output<typeof swarmProposeRequest>;

const ofProposal = { ...envelope, swarm: swarmId, proposal: proposalId };

export const swarmVoteRequest = z.object({ type: z.literal('swarm.vote'), ...ofProposal, vote: option, voter });
export type SwarmVoteRequest = z.output<typeof swarmVoteRequest>;

export const swarmProposalRequest = z.object({ type: z.literal('swarm.proposal'), ...ofProposal });
export type SwarmProposalRequest = z.output<typeof swarmProposalRequest>;

export const proposalResult = z.object({ proposal: proposalRecord });
export type ProposalResult = z.output<typeof proposalResult>;

/** Newest first. */
export const swarmProposalsRequest = z.object({
  type: z.literal('swarm.proposals'),
  ...envelope,
  swarm: swarmId,
  limit: pageLimit,
  cursor: cursor.exactOptional(),
});
export type SwarmProposalsRequest = z.output<typeof swarmProposalsRequest>;

export const swarmProposalsResult = z.object({
  proposals: z.array(proposalRecord),
  cursor: cursor.exactOptional(),
});
export type SwarmProposalsResult = z.output<typeof swarmProposalsResult>;
