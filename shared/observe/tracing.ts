import {
  context,
  diag,
  DiagLogLevel,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
} from '@opentelemetry/api';
import type { Attributes, Context, Span, SpanOptions, Tracer } from '@opentelemetry/api';
import type { Clock } from '../base/clock.ts';
import { errorTable } from '../base/errors.ts';
import type { Result } from '../base/errors.ts';
import { readTraceparent, writeTraceparent } from '../protocol/traceparent.ts';
import type { Log, LogFields } from './log.ts';

const system = { 'messaging.system': 'agentwire' };

/** Of the SDK's complaints: a collector that is away gives rise to one with every batch. */
const complainEveryMs = 60_000;
/** Longer than any name of ours; a client may send what it likes. */
const longestText = 320;

/** What a request may say of itself; whatever else it holds is not looked at. */
interface RequestFields {
  readonly traceparent?: unknown;
  readonly topic?: unknown;
  readonly agent?: unknown;
  readonly invocation?: unknown;
  readonly session?: unknown;
}

export interface AttemptFields {
  readonly invocation: string;
  readonly agent: string;
  readonly attempt: number;
  readonly worker: string;
  /** Of the request that started the run. */
  readonly trace: string | undefined;
  /** When the worker got the job, in milliseconds. */
  readonly since: number;
}

export interface DeliveryFields {
  readonly topic: string;
  readonly seq: number;
  /** That the event carries. */
  readonly trace: string;
  readonly connections: number;
}

/**
 * Every kind of span that there is. One exists in a process that was asked to trace, and none in any other: whoever has
 * one in hand may spend time on it, and whoever has not pays for a look at `undefined`. What is under way is known by
 * the context that the SDK keeps; it is taken for a parent only while its span is still open, so that a timer which was
 * set inside of a request does not go on with its trace for ever.
 */
export class Tracing {
  readonly #tracer: Tracer;

  constructor(version: string) {
    this.#tracer = trace.getTracer('agentwire', version);
  }

  /** What the SDK complains of goes to the log. To be called ahead of its start. */
  report(log: Log, clock: Clock): void {
    let next = 0;
    const warn = (...said: unknown[]): void => {
      const now = clock.now();
      if (now < next) return;
      next = now + complainEveryMs;
      log.warn('tracing does not work as it should', { said: said.map(wordsOf).join(' ') });
    };
    const nothing = (): void => {};
    const logger = { error: warn, warn, info: nothing, debug: nothing, verbose: nothing };
    diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  }

  /** A request of a client, in the trace that it names, else in one of its own. */
  operation<T>(name: string, input: unknown, work: () => Promise<Result<T>>): Promise<Result<T>> {
    const { traceparent, topic, agent, invocation, session } = input as RequestFields;
    const attributes: Attributes = { ...system, 'messaging.operation.name': name };
    addText(attributes, 'messaging.destination.name', topic);
    addText(attributes, 'agentwire.agent', agent);
    addText(attributes, 'agentwire.invocation', invocation);
    addText(attributes, 'agentwire.session', session);
    return this.#during(name, { kind: SpanKind.SERVER, attributes }, contextOf(traceparent), (span) =>
      work().then((result) => concluded(span, result)),
    );
  }

  /** A call of the store, where it is made for something that is traced. */
  call<T>(name: string, attributes: Attributes, work: () => Promise<Result<T>>): Promise<Result<T>> {
    return this.#inner(name, { kind: SpanKind.CLIENT, attributes }, work);
  }

  /** A job that goes to the queue. */
  send<T>(queue: string, id: string, work: () => Promise<Result<T>>): Promise<Result<T>> {
    const attributes = {
      ...ofQueue(queue, id),
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
    };
    return this.#inner(`send ${queue}`, { kind: SpanKind.PRODUCER, attributes }, work);
  }

  /** One attempt of a worker at a run. It lasts as long as the run is with that worker, its waits included. */
  attempt<T>(run: AttemptFields, work: () => Promise<T>): Promise<T> {
    const attributes = {
      ...ofQueue('runs', run.invocation),
      'messaging.operation.name': 'run',
      'messaging.operation.type': 'process',
      'agentwire.invocation': run.invocation,
      'agentwire.agent': run.agent,
      'agentwire.attempt': run.attempt,
      'agentwire.worker': run.worker,
    };
    const options = { kind: SpanKind.CONSUMER, startTime: run.since, attributes };
    return this.#during(`run ${run.agent}`, options, contextOf(run.trace), work);
  }

  /** What became of the attempt that is under way. */
  left(outcome: string, errorCode?: string): void {
    const span = trace.getActiveSpan();
    if (!span) return;
    span.setAttribute('agentwire.outcome', outcome);
    if (errorCode === undefined) return;
    span.setAttribute('error.type', errorCode);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }

  /** An event went to so many connections of this node. */
  delivered({ topic, seq, trace: from, connections }: DeliveryFields): void {
    const attributes = {
      ...system,
      'messaging.operation.name': 'deliver',
      'messaging.operation.type': 'process',
      'messaging.destination.name': topic,
      'agentwire.seq': seq,
      'agentwire.connections': connections,
    };
    this.#tracer.startSpan('deliver', { kind: SpanKind.CONSUMER, attributes }, contextOf(from)).end();
  }

  /** Goes on where somebody else left off, without a span of its own. */
  within<T>(traceparent: string | undefined, work: () => T): T {
    return context.with(contextOf(traceparent), work);
  }

  /** More about the request or the attempt that is under way. */
  note(attributes: Attributes): void {
    trace.getActiveSpan()?.setAttributes(attributes);
  }

  /** What is under way, to be carried to where it goes on; nothing where it is not recorded. */
  current(): string | undefined {
    const span = trace.getActiveSpan();
    if (!span?.isRecording()) return undefined;
    const { traceId, spanId, traceFlags } = span.spanContext();
    return (traceFlags & TraceFlags.SAMPLED) === 0 ? undefined : writeTraceparent(traceId, spanId);
  }

  /** For the log lines of what is under way. */
  readonly fields = (): LogFields => {
    const span = trace.getActiveSpan();
    if (!span || !goesOn(span)) return {};
    const { traceId, spanId } = span.spanContext();
    return { trace_id: traceId, span_id: spanId };
  };

  #inner<T>(name: string, options: SpanOptions, work: () => Promise<Result<T>>): Promise<Result<T>> {
    const parent = trace.getActiveSpan();
    if (!parent || !goesOn(parent)) return work();
    return this.#during(name, options, context.active(), (span) => work().then((result) => concluded(span, result)));
  }

  #during<T>(name: string, options: SpanOptions, parent: Context, work: (span: Span) => Promise<T>): Promise<T> {
    const span = this.#tracer.startSpan(name, options, parent);
    return context.with(trace.setSpan(parent, span), () => work(span)).finally(() => span.end());
  }
}

/** It writes an error as the JSON of its fields, with the stack, on one line. */
function wordsOf(said: unknown): string {
  const text = String(said);
  return /"message":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? text;
}

/** An open span of this process, or one of another that said it is recorded. */
function goesOn(span: Span): boolean {
  const { isRemote, traceFlags } = span.spanContext();
  return span.isRecording() || (isRemote === true && (traceFlags & TraceFlags.SAMPLED) !== 0);
}

/** Never what happens to be under way here: who hands something over says where it belongs. */
function contextOf(traceparent: unknown): Context {
  const found = readTraceparent(traceparent);
  if (!found) return ROOT_CONTEXT;
  const { traceId, spanId, sampled } = found;
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

/** What is refused for a fault of its own has been served well, and a change that another was quicker to make is made again. */
function concluded<T>(span: Span, result: Result<T>): Result<T> {
  if (result.ok) return result;
  span.setAttribute('error.type', result.code);
  if (errorTable[result.code].status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  return result;
}

function ofQueue(queue: string, id: string): Attributes {
  return { ...system, 'messaging.destination.name': queue, 'messaging.message.id': id };
}

/** A client may have filled the field, with anything. */
function addText(attributes: Attributes, name: string, text: unknown): void {
  if (typeof text === 'string') attributes[name] = text.slice(0, longestText);
}
