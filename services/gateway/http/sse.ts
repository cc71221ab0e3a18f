import { fail, ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import { maxLast } from '../../../shared/protocol/subscribe.ts';
import { topicFault } from '../../../shared/topics/grammar.ts';
import type { Caller } from '../core/caller.ts';
import { perform } from '../core/operations.ts';
import type { HttpRoute, Reply, Request, StreamReply } from '../core/transport.ts';
import type { Door } from '../core/upgrade.ts';
import type { Point } from '../hub/since.ts';
import type { Subscribed } from '../hub/subscribing.ts';
import { callerOf } from './caller.ts';
import { failed } from './reply.ts';
import { byPosition, droppedText, idText, TimeFormat } from './sse-format.ts';
import { SseSocket } from './sse-socket.ts';
import { SseStream } from './sse-stream.ts';

/** `x-accel-buffering`: nginx collects a response before it passes it on, unless it is told not to. */
const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' };

export function streamRoutes(door: Door): HttpRoute[] {
  return [{ method: 'GET', path: '/v1/stream', handle: (request) => streamOfMany(door, request) }];
}

export function wantsStream(request: Request): boolean {
  return request
    .header('accept')
    .split(',')
    .some((type) => type.split(';')[0]?.trim().toLowerCase() === 'text/event-stream');
}

/** One topic, from the position that the client names on: each event once, over any number of reconnects. */
export async function streamOfTopic(door: Door, request: Request): Promise<Reply | StreamReply> {
  const caller = await enter(door, request);
  if (!caller.ok) return failed(caller);
  const topic = request.params['topic'] ?? '';
  const fault = topicFault(topic);
  if (fault) return failed(fail('bad_request', `topic: ${fault}`));
  const from = await positionOf(door, caller.value, request, topic);
  if (!from.ok) return failed(from);
  const point = from.value;
  const last = lastOf(request);
  if (!last.ok) return failed(last);
  const since = point ?? last.value;
  const stream = new SseStream(door, caller.value.identity, new SseSocket(), byPosition);
  const prepared = await stream.prepare({ topics: [since ? { topic, since } : topic] });
  if (!prepared.ok) return failed(prepared);
  return replyWith(stream, ([subscribed]) => (subscribed ? greetingAt(subscribed, point) : ''));
}

/** Several topics and patterns, from a time of the store on. */
async function streamOfMany(door: Door, request: Request): Promise<Reply | StreamReply> {
  const caller = await enter(door, request);
  if (!caller.ok) return failed(caller);
  const topics = request.query.getAll('topic');
  if (topics.length === 0) return failed(fail('bad_request', 'topic: at least one is needed, as ?topic=a.b&topic=c.*'));
  const id = lastEventId(request);
  if (id !== '' && !/^\d{1,15}$/.test(id)) {
    return failed(fail('bad_request', 'Last-Event-ID: must be a time that this stream gave as an id'));
  }
  const last = lastOf(request);
  if (!last.ok) return failed(last);
  const since = id === '' ? last.value : { time: Number(id) };
  const format = new TimeFormat();
  const stream = new SseStream(door, caller.value.identity, new SseSocket(format), format);
  format.subscriber = stream.subscriber;
  const prepared = await stream.prepare({ topics: topics.map((topic) => (since ? { topic, since } : topic)) });
  if (!prepared.ok) return failed(prepared);
  return replyWith(stream, (subscriptions) =>
    subscriptions
      .filter(({ recovered }) => recovered === false)
      .map(({ topic }) => droppedText({ type: 'dropped', topic, reason: 'history' }))
      .join(''),
  );
}

export function replyWith(stream: SseStream, greet: (subscriptions: readonly Subscribed[]) => string): StreamReply {
  return { status: 200, headers, stream: (sink) => stream.open(sink, greet), unused: () => stream.gone() };
}

/** Who it is, while there is room for one more. */
export async function enter(door: Door, request: Request): Promise<Result<Caller>> {
  const { config, metrics } = door.broker;
  if (door.draining()) {
    metrics.refused('draining');
    return fail('busy', 'this node is shutting down; come back elsewhere');
  }
  if (door.connections.size >= config.maxConnections) {
    metrics.refused('full');
    return fail('busy', 'too many connections');
  }
  return callerOf(door.broker, request);
}

/** A browser that comes back sends the header, and the address that it was given at first with it. */
export function lastEventId(request: Request): string {
  return request.header('last-event-id') || (request.query.get('lastEventId') ?? '');
}

export async function positionOf(
  door: Door,
  caller: Caller,
  request: Request,
  topic: string,
): Promise<Result<Point | undefined>> {
  const id = lastEventId(request);
  const after = request.query.get('after') ?? '';
  if (id !== '') {
    const [, epoch, seq] = /^([\w-]{0,64}):(\d{1,15})$/.exec(id) ?? [];
    if (epoch === undefined) return fail('bad_request', 'Last-Event-ID: must be epoch:seq, as this stream gave it');
    return ok({ epoch, seq: Number(seq) });
  }
  if (after === '') return ok(undefined);
  if (!/^\d{1,15}$/.test(after)) return fail('bad_request', 'after: must be a number of an event');
  // A number alone is one of the numbering that there is now.
  const head = await perform(door.broker, caller, 'history', { topic, limit: 1 });
  return head.ok ? ok({ epoch: head.value.epoch, seq: Number(after) }) : head;
}

/** How to begin where there is no place to go on from. */
function lastOf(request: Request): Result<{ last: number } | undefined> {
  const written = request.query.get('last') ?? '';
  if (written === '') return ok(undefined);
  const last = /^\d{1,4}$/.test(written) ? Number(written) : 0;
  return last >= 1 && last <= maxLast ? ok({ last }) : fail('bad_request', `last: must be 1 to ${maxLast}`);
}

/** A place to come back to before the first event came; and what is missing of that which was asked for. */
export function greetingAt({ topic, epoch = '', seq = 0, replay = 0, recovered }: Subscribed, asked?: Point): string {
  const start = seq - replay;
  const id = idText(`${epoch}:${start}`);
  if (!asked || recovered !== false) return id;
  const known = asked.epoch === epoch || (asked.epoch === '' && asked.seq === 0);
  if (!known || asked.seq >= start) return droppedText({ type: 'dropped', topic, epoch, reason: 'epoch' }) + id;
  const from = asked.seq + 1;
  return droppedText({ type: 'dropped', topic, from, to: start, count: start - asked.seq }) + id;
}
