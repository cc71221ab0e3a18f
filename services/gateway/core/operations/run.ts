import { must } from '../../../../shared/base/assert.ts';
import { fail, ok } from '../../../../shared/base/errors.ts';
import type { Failure, Result } from '../../../../shared/base/errors.ts';
import { isOver, topicOf } from '../../../../shared/domain/runs/run.ts';
import type { Run } from '../../../../shared/domain/runs/run.ts';
import type { Runs } from '../../../../shared/domain/runs/runs.ts';
import { notPlain } from '../../../../shared/wire/plain.ts';
import { attach as follow } from '../../hub/attaching.ts';
import { expectRun } from '../../hub/expecting.ts';
import { stopExpecting } from '../../hub/leaving.ts';
import { awaited } from '../awaited.ts';
import type { Broker } from '../broker.ts';
import type { Caller } from '../caller.ts';

/** A run, and the way to its events. */
export interface Attached {
  readonly run: Run;
  /**
   * Promises the caller the run's events, until the one that ends it. To be called in the turn in which the answer goes
   * out: the first of them comes in a later one. Does nothing where nobody asked for events, or has no connection for them.
   */
  readonly attach: () => void;
}

type Input = Parameters<Runs['start']>[1] & { readonly attach?: boolean };

/** Answered as soon as the run exists. Its events are not waited for: were the store away by then, it would exist all the same. */
export async function run(
  broker: Broker,
  caller: Caller,
  input: Input,
): Promise<Result<Attached & { readonly duplicate: boolean }>> {
  const { attach: wanted = true, ...asked } = input;
  const refused = faultOf(asked, broker.config.maxFrameBytes);
  if (refused) return refused;
  const { subscriber } = caller;
  const trace = broker.tracing?.current();
  let expected: string | undefined;
  const started = await broker.runs.start(
    must(caller.identity),
    trace === undefined ? asked : { ...asked, trace },
    (invocation) => {
      broker.tracing?.note({ 'agentwire.invocation': invocation });
      if (!wanted || !subscriber) return;
      expected = topicOf(invocation);
      expectRun(broker.hub, subscriber, expected);
    },
  );
  const isNew = started.ok && !started.value.duplicate;
  if (subscriber && expected !== undefined && !isNew) stopExpecting(broker.hub, subscriber, expected);
  if (!started.ok) return started;
  const { run: made, duplicate } = started.value;
  return ok({ run: made, duplicate, attach: wanted ? () => promise(broker, caller, made) : () => {} });
}

interface AttachInput {
  readonly invocation: string;
  readonly after?: number;
  /** The caller has heard of the run in its session's line. */
  readonly announced?: boolean;
}

/** The events of a run that was started here or anywhere: those behind `after`, or all that are kept. */
export async function attach(
  broker: Broker,
  caller: Caller,
  { invocation, after, announced = false }: AttachInput,
): Promise<Result<Attached>> {
  const find = (): Promise<Result<Run>> => broker.runs.status(must(caller.identity), invocation);
  // It stands in line before it is written.
  const found = await (announced ? awaited(broker.clock, find) : find());
  return found.ok ? ok({ run: found.value, attach: () => promise(broker, caller, found.value, after) }) : found;
}

function promise(broker: Broker, { subscriber }: Caller, run: Run, after?: number): void {
  if (subscriber) follow(broker.hub, subscriber, { topic: topicOf(run.invocation), after, over: isOver(run) });
}

/** A record holds both, and is read and written as a whole. */
function faultOf({ input, metadata }: Pick<Input, 'input' | 'metadata'>, limit: number): Failure | undefined {
  const fault = notPlain(input) ?? notPlain(metadata ?? {});
  if (fault !== undefined) return fail('bad_request', `input is refused: ${fault}`);
  const size = JSON.stringify(input).length + (metadata ? JSON.stringify(metadata).length : 0);
  return size > limit ? fail('payload_too_large', `input and metadata may have ${limit} bytes`) : undefined;
}
