import type * as z from 'zod';
import {
  checkpointCreateRequest,
  checkpointDeleteRequest,
  checkpointDeleteResult,
  checkpointDiffRequest,
  checkpointDiffResult,
  checkpointGetRequest,
  checkpointListRequest,
  checkpointListResult,
  checkpointRestoreRequest,
  checkpointRestoreResult,
  checkpointResult,
} from './checkpoints.ts';
import { isMap } from './common.ts';
import type { RequestId } from './common.ts';
import { frameReader } from './frame-reader.ts';
import { helloRequest, helloResult } from './hello.ts';
import { metricsRequest, metricsResult } from './metrics.ts';
import { pingRequest } from './ping.ts';
import { presenceRequest, presenceResult } from './presence.ts';
import { historyRequest, historyResult, publishRequest, publishResult } from './publish.ts';
import {
  approveRequest,
  approveResult,
  attachRequest,
  attachResult,
  cancelRequest,
  controlResult,
  pauseRequest,
  resumeRequest,
  runRequest,
  runResult,
  runsRequest,
  runsResult,
  statusRequest,
  statusResult,
} from './runs.ts';
import {
  sessionCreateRequest,
  sessionDeleteRequest,
  sessionDeleteResult,
  sessionGetRequest,
  sessionListRequest,
  sessionListResult,
  sessionMessagesRequest,
  sessionMessagesResult,
  sessionResult,
  sessionUpdateRequest,
} from './sessions.ts';
import { subscribeRequest, subscribeResult, unsubscribeRequest, unsubscribeResult } from './subscribe.ts';
import {
  proposalResult,
  swarmProposalRequest,
  swarmProposalsRequest,
  swarmProposalsResult,
  swarmProposeRequest,
  swarmVoteRequest,
} from './swarms.ts';

/** Every request that there is. A new one is a line here and a line below. */
export const requestSchemas = {
  hello: helloRequest,
  ping: pingRequest,
  subscribe: subscribeRequest,
  unsubscribe: unsubscribeRequest,
  publish: publishRequest,
  history: historyRequest,
  presence: presenceRequest,
  run: runRequest,
  attach: attachRequest,
  cancel: cancelRequest,
  status: statusRequest,
  pause: pauseRequest,
  resume: resumeRequest,
  approve: approveRequest,
  runs: runsRequest,
  'session.create': sessionCreateRequest,
  'session.get': sessionGetRequest,
  'session.list': sessionListRequest,
  'session.update': sessionUpdateRequest,
  'session.delete': sessionDeleteRequest,
  'session.messages': sessionMessagesRequest,
  'checkpoint.create': checkpointCreateRequest,
  'checkpoint.list': checkpointListRequest,
  'checkpoint.get': checkpointGetRequest,
  'checkpoint.restore': checkpointRestoreRequest,
  'checkpoint.delete': checkpointDeleteRequest,
  'checkpoint.diff': checkpointDiffRequest,
  'swarm.propose': swarmProposeRequest,
  'swarm.vote': swarmVoteRequest,
  'swarm.proposal': swarmProposalRequest,
  'swarm.proposals': swarmProposalsRequest,
  metrics: metricsRequest,
} as const satisfies Record<string, z.ZodObject>;

/** What the `result` of each answer holds; `ping` is answered by a frame of its own kind. */
export const resultSchemas = {
  hello: helloResult,
  subscribe: subscribeResult,
  unsubscribe: unsubscribeResult,
  publish: publishResult,
  history: historyResult,
  presence: presenceResult,
  run: runResult,
  attach: attachResult,
  cancel: controlResult,
  status: statusResult,
  pause: controlResult,
  resume: controlResult,
  approve: approveResult,
  runs: runsResult,
  'session.create': sessionResult,
  'session.get': sessionResult,
  'session.list': sessionListResult,
  'session.update': sessionResult,
  'session.delete': sessionDeleteResult,
  'session.messages': sessionMessagesResult,
  'checkpoint.create': checkpointResult,
  'checkpoint.list': checkpointListResult,
  'checkpoint.get': checkpointResult,
  'checkpoint.restore': checkpointRestoreResult,
  'checkpoint.delete': checkpointDeleteResult,
  'checkpoint.diff': checkpointDiffResult,
  'swarm.propose': proposalResult,
  'swarm.vote': proposalResult,
  'swarm.proposal': proposalResult,
  'swarm.proposals': swarmProposalsResult,
  metrics: metricsResult,
} as const satisfies Record<Exclude<RequestType, 'ping'>, z.ZodType>;

export type RequestType = keyof typeof requestSchemas;
export type RequestOf<T extends RequestType> = z.output<(typeof requestSchemas)[T]>;
export type ResultOf<T extends keyof typeof resultSchemas> = z.output<(typeof resultSchemas)[T]>;
export type Request = { [T in RequestType]: RequestOf<T> }[RequestType];

export const parseRequest = frameReader(requestSchemas);

/** The id for the answer, also when the rest of the frame is bad, so that the client knows what was refused. */
export function requestIdOf(frame: unknown): RequestId | undefined {
  if (!isMap(frame)) return undefined;
  const { id } = frame;
  return typeof id === 'string' || typeof id === 'number' ? id : undefined;
}
