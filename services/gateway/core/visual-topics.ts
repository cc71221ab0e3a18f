import { createHash } from 'node:crypto';

/** What agents tell of themselves, and the figures of the broker, for those who draw pictures of it. */
export const channels = ['events', 'reasoning', 'metrics'] as const;
export type Channel = (typeof channels)[number];
/** Those that clients feed and that are kept. */
export const fedChannels = ['events', 'reasoning'] as const;
export type FedChannel = (typeof fedChannels)[number];

const fields = ['agent_id', 'event_type', 'session_id'] as const;
/** Equality of these fields; one that is missing or null is not looked at. */
export type Filters = { readonly [Field in (typeof fields)[number]]?: string | null | undefined };

/** All of a channel in one order, for the whole cluster. It begins with `$`, so that natives who are no admins are kept out. */
export function logOf(channel: FedChannel): string {
  return `$viz.${channel}`;
}

/**
 * Filtering is left to the topics of the node: an event goes out on one that names its fields, and a client's filter is
 * a pattern of such. So an event is encoded once, and native publish finds those who want it.
 */
export function topicOf(channel: Channel, data: Filters): string {
  return `$node.${channel}.${fields.map((field) => segmentOf(data[field])).join('.')}`;
}

/** Figures have none of these fields, and no filter keeps them out. */
export function patternOf(channel: Channel, filters: Filters): string {
  const any = (field: keyof Filters): boolean => channel === 'metrics' || (filters[field] ?? null) === null;
  const wanted = fields.map((field) => (any(field) ? '*' : segmentOf(filters[field])));
  return `$node.${channel}.${wanted.join('.')}`;
}

export function passes(filters: Filters, data: Filters): boolean {
  return fields.every((field) => (filters[field] ?? null) === null || filters[field] === data[field]);
}

/** One that may stand in a topic, behind the letter that tells it from the others. */
const fitting = /^[A-Za-z0-9_-]{1,63}$/;

/** A segment for whatever a field holds, and no two values with the same one. */
function segmentOf(value: string | null | undefined): string {
  if (value === undefined || value === null) return '-';
  return fitting.test(value) ? `v${value}` : `h${createHash('sha256').update(value).digest('base64url')}`;
}
