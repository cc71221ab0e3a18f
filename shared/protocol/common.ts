import * as z from 'zod';

/** Chosen by the client, given back as it came. */
export const requestId = z.union([z.string(), z.number()], { error: 'must be a string or a number' });
export type RequestId = z.output<typeof requestId>;

/**
 * What every request carries besides its `type`. `traceparent` may be anything here: a bad one is passed over, and no
 * reason to refuse the request.
 */
export const envelope = { id: requestId.exactOptional(), traceparent: z.unknown().exactOptional() };

/** Numbers of events and milliseconds: what a JavaScript number holds exactly. */
export const count = z.int().min(0);

/** Topics and patterns are only strings here; their grammar is the business of shared/topics. */
export const topicName = z.string();

/** Where a reader stands in a topic. A topic never used has epoch '' and seq 0, and accepts that as a position. */
export const position = z.object({ seq: count, epoch: z.string().max(64) });
export type Position = z.output<typeof position>;

/** Long enough for any id that a client makes; the store remembers each for a while. */
export const messageId = z.string().min(1).max(256);

/**
 * An optional field that is null (or, from our own code, undefined) counts as absent. Copies only when there is such
 * a field: the scan of a publish costs under 10 ns, while a nullable schema per field would cost on each of them.
 */
export function withoutNulls(map: Record<string, unknown>, optional: ReadonlySet<string>): Record<string, unknown> {
  for (const key in map) {
    if ((map[key] ?? null) === null && optional.has(key)) return copyWithoutNulls(map, optional);
  }
  return map;
}

function copyWithoutNulls(map: Record<string, unknown>, optional: ReadonlySet<string>): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const key in map) {
    if ((map[key] ?? null) !== null || !optional.has(key)) copy[key] = map[key];
  }
  return copy;
}

/** The fields that may be left out, those with a default included. `data: null` is a value because `data` is not among them. */
export function optionalFields(shape: Readonly<Record<string, z.core.$ZodType>>): ReadonlySet<string> {
  const names = Object.keys(shape).filter((name) => shape[name]?._zod.optin !== undefined);
  return new Set(names);
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
