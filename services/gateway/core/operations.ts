import { fail } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import type { Broker } from './broker.ts';
import type { Caller } from './caller.ts';
import {
  createCheckpoint,
  deleteCheckpoint,
  diffCheckpoints,
  getCheckpoint,
  listCheckpoints,
  restoreCheckpoint,
} from './operations/checkpoints.ts';
import { approve, cancel, pause, resume } from './operations/control.ts';
import { history } from './operations/history.ts';
import { metrics } from './operations/metrics.ts';
import { operatorAnnounce, operatorKeep, operatorSay } from './operations/operator.ts';
import { presence } from './operations/presence.ts';
import { publish } from './operations/publish.ts';
import { attach, run } from './operations/run.ts';
import { runs, status } from './operations/runs.ts';
import {
  createSession,
  deleteSession,
  ensureSession,
  getSession,
  listSessions,
  sessionMessages,
  updateSession,
} from './operations/sessions.ts';
import { subscribe, unsubscribe } from './operations/subscribe.ts';
import { getProposal, listProposals, propose, vote } from './operations/swarms.ts';
import { unwatchVisuals, visualHistory, visualize, watchVisuals } from './operations/visualization.ts';

/** What a client can have done, whichever dialect or route it speaks. Each that is a native request has its name. */
export const operations = {
  publish,
  history,
  subscribe,
  unsubscribe,
  presence,
  run,
  attach,
  cancel,
  status,
  pause,
  resume,
  approve,
  runs,
  'session.create': createSession,
  'session.ensure': ensureSession,
  'session.get': getSession,
  'session.list': listSessions,
  'session.update': updateSession,
  'session.delete': deleteSession,
  'session.messages': sessionMessages,
  'checkpoint.create': createCheckpoint,
  'checkpoint.list': listCheckpoints,
  'checkpoint.get': getCheckpoint,
  'checkpoint.restore': restoreCheckpoint,
  'checkpoint.delete': deleteCheckpoint,
  'checkpoint.diff': diffCheckpoints,
  'swarm.propose': propose,
  'swarm.vote': vote,
  'swarm.proposal': getProposal,
  'swarm.proposals': listProposals,
  'operator.say': operatorSay,
  'operator.announce': operatorAnnounce,
  'operator.keep': operatorKeep,
  metrics,
  visualize,
  'visual.history': visualHistory,
  'visual.watch': watchVisuals,
  'visual.unwatch': unwatchVisuals,
} as const;

export type OperationName = keyof typeof operations;
export type InputOf<N extends OperationName> = Parameters<(typeof operations)[N]>[2];
export type OutputOf<N extends OperationName> =
  Awaited<ReturnType<(typeof operations)[N]>> extends Result<infer T> ? T : never;

type Run<N extends OperationName> = (broker: Broker, caller: Caller, input: InputOf<N>) => Promise<Result<OutputOf<N>>>;

/** The one way to an operation: guards before, measures after, and a throw becomes `internal` here and nowhere else. */
export function perform<N extends OperationName>(
  broker: Broker,
  caller: Caller,
  name: N,
  input: InputOf<N>,
): Promise<Result<OutputOf<N>>> {
  const { tracing } = broker;
  if (!tracing) return performUntraced(broker, caller, name, input);
  return tracing.operation(name, input, () => performUntraced(broker, caller, name, input));
}

/** For what the node does of its own accord, now and then: a trace of each time would be nobody's. */
export function performUntraced<N extends OperationName>(
  broker: Broker,
  caller: Caller,
  name: N,
  input: InputOf<N>,
): Promise<Result<OutputOf<N>>> {
  const started = performance.now();
  broker.underWay.operations += 1;
  const done = (result: Result<OutputOf<N>>): Result<OutputOf<N>> => {
    broker.underWay.operations -= 1;
    const seconds = (performance.now() - started) / 1000;
    const outcome = result.ok ? 'ok' : result.code;
    for (const each of broker.middleware) each.after?.(name, caller, outcome, seconds);
    return result;
  };
  for (const each of broker.middleware) {
    const refused = each.before?.(name, caller, input);
    if (refused) return Promise.resolve(done(refused));
  }
  const fault = (error: unknown): Result<OutputOf<N>> => {
    broker.log.error('an operation failed', { operation: name, error });
    return done(fail('internal'));
  };
  try {
    return (operations[name] as unknown as Run<N>)(broker, caller, input).then(done, fault);
  } catch (error) {
    return Promise.resolve(fault(error));
  }
}
