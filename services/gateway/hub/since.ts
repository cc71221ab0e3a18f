import type { TopicHead } from '../../../shared/engine/engine.ts';

export interface Point {
  seq: number;
  epoch: string;
}

/** From where a subscription wants its events (PROTOCOL, section 2), and an attachment: by a number of whatever numbering there is. */
export type Since =
  | 'latest'
  | 'earliest'
  | { after: number }
  | { seq: number; epoch: string }
  | { time: number }
  | { last: number }
  | { positions: Record<string, { seq: number; epoch: string }>; time: number };

/** Where the replay of one topic begins: after `after`. `recovered`: nothing is missing between what was asked for and the head. */
export interface Start {
  after: number;
  recovered: boolean;
}

export function startAt(point: Point, head: TopicHead): Start {
  const kept = head.first - 1;
  // The position before the first event of a topic that was never used is in every numbering.
  const known = point.epoch === head.epoch || (point.epoch === '' && point.seq === 0);
  if (!known || point.seq > head.seq) return { after: kept, recovered: false };
  return { after: Math.max(point.seq, kept), recovered: point.seq >= kept };
}

/** What is not kept any more is not passed over: who is sent the rest is told of the hole. A number that was not given out yet is of a numbering that was lost. */
function startAfter(after: number, head: TopicHead): Start {
  const kept = head.first - 1;
  return after > head.seq ? { after: kept, recovered: false } : { after, recovered: after >= kept };
}

/** `head.before` answers the time that was asked about. */
export function startSince(time: number, head: TopicHead): Start {
  const kept = head.first - 1;
  const nothingKept = head.first > head.seq;
  const recovered = kept === 0 || head.before > kept || (nothingKept && head.ts < time);
  return { after: Math.max(head.before, kept), recovered };
}

export function startOf(since: Exclude<Since, 'latest'>, head: TopicHead): Start {
  if (since === 'earliest') return { after: head.first - 1, recovered: true };
  if ('after' in since) return startAfter(since.after, head);
  if ('seq' in since) return startAt(since, head);
  if ('last' in since) return { after: Math.max(head.seq - since.last, head.first - 1), recovered: true };
  // Own ones only: a topic may be named as something that every object has.
  const point =
    'positions' in since && Object.hasOwn(since.positions, head.topic) ? since.positions[head.topic] : undefined;
  return point ? startAt(point, head) : startSince(since.time, head);
}
