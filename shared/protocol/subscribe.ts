import * as z from 'zod';
import { count, envelope, isMap, optionalFields, position, topicName, withoutNulls } from './common.ts';

/** As many as one reading of the log gives. */
export const maxLast = 1000;

const sinceForms = z.union(
  [
    z.enum(['latest', 'earliest']),
    position,
    // One schema for both: were `{time}` a form of its own, a fault in `positions` would quietly turn into it.
    z.object({ positions: z.record(z.string(), position).exactOptional(), time: count }),
    z.object({ last: z.int().min(1).max(maxLast) }),
  ],
  { error: `must be "latest", "earliest", {seq, epoch}, {time}, {positions, time} or {last: 1 to ${maxLast}}` },
);
const sinceFields: ReadonlySet<string> = new Set(['seq', 'epoch', 'positions', 'time', 'last']);

/**
 * Where to begin. `{seq, epoch}` is for one topic; `{time}` (the cluster's clock, never the client's) for topics and
 * patterns; `{positions, time}` is a pattern's way back, with `time` for the topics that `positions` does not name.
 * `{last}` is so many of a topic's last events, and of each topic that a pattern matches.
 */
export const since = z.preprocess((value) => (isMap(value) ? withoutNulls(value, sinceFields) : value), sinceForms);
export type Since = z.output<typeof since>;

const withSince = z.object({ topic: topicName, since: since.exactOptional() });
const withSinceOptional = optionalFields(withSince.shape);

const subscription = z.union(
  [topicName, z.preprocess((item) => (isMap(item) ? withoutNulls(item, withSinceOptional) : item), withSince)],
  { error: 'must be a topic or {topic, since?}' },
);
export type Subscription = z.output<typeof subscription>;

export const subscribeRequest = z.object({
  type: z.literal('subscribe'),
  ...envelope,
  topics: z.array(subscription).min(1),
  presence: z.boolean().exactOptional(),
});
export type SubscribeRequest = z.output<typeof subscribeRequest>;

/** `epoch` and `seq` are the head of a topic; a pattern has none. `replay` counts the events that come before live ones. */
export const subscribed = z.object({
  topic: topicName,
  pattern: z.boolean(),
  epoch: z.string().exactOptional(),
  seq: count.exactOptional(),
  recovered: z.boolean().exactOptional(),
  replay: count.exactOptional(),
});
export type Subscribed = z.output<typeof subscribed>;

export const subscribeResult = z.object({ time: count, subscriptions: z.array(subscribed) });
export type SubscribeResult = z.output<typeof subscribeResult>;

export const unsubscribeRequest = z.object({ type: z.literal('unsubscribe'), ...envelope, topics: z.array(topicName) });
export type UnsubscribeRequest = z.output<typeof unsubscribeRequest>;

export const unsubscribeResult = z.object({ topics: z.array(topicName) });
export type UnsubscribeResult = z.output<typeof unsubscribeResult>;
