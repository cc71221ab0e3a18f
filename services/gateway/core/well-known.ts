import { fail } from '../../../shared/base/errors.ts';
import type { Failure } from '../../../shared/base/errors.ts';
import { explain } from '../../../shared/protocol/explain.ts';
import { namedBy, wellKnown } from '../../../shared/protocol/well-known.ts';

type Family = keyof typeof wellKnown;
type Schema = (typeof wellKnown)['agent']['status'];

/** A topic whose payload everybody knows: `<family>.<id>.<kind>`. */
export interface WellKnown {
  readonly id: string;
  readonly field: (typeof namedBy)[Family];
  readonly schema: Schema;
  /** Its last event is what counts, however old: it is kept for those who come later. */
  readonly retained: boolean;
  /** Whoever sends it speaks for the agent. */
  readonly isStatus: boolean;
}

type Kind = Omit<WellKnown, 'id'>;

const retained: ReadonlySet<string> = new Set(['agent.status', 'agent.health', 'task.progress']);

/** Maps and not the table itself: a kind named `constructor` is nobody's. */
const kinds: ReadonlyMap<string, ReadonlyMap<string, Kind>> = new Map(
  Object.entries(wellKnown).map(([family, schemas]) => [
    family,
    new Map(
      Object.entries(schemas).map(([kind, schema]) => {
        const name = `${family}.${kind}`;
        const field = namedBy[family as Family];
        return [
          kind,
          { field, schema: schema as Schema, retained: retained.has(name), isStatus: name === 'agent.status' },
        ];
      }),
    ),
  ]),
);
/** How the families begin: for any other topic the one comparison is all that it costs. */
const firsts: readonly boolean[] = Array.from({ length: 128 }, (_, code) =>
  [...kinds.keys()].some((family) => family.charCodeAt(0) === code),
);

/** `topic` is a good name. */
export function wellKnownOf(topic: string): WellKnown | undefined {
  if (!firsts[topic.charCodeAt(0)]) return undefined;
  const first = topic.indexOf('.');
  const family = first > 0 ? kinds.get(topic.slice(0, first)) : undefined;
  if (!family) return undefined;
  const second = topic.indexOf('.', first + 1);
  // A fourth segment would be part of the kind, and there is none with a dot.
  const kind = second > 0 ? family.get(topic.slice(second + 1)) : undefined;
  return kind && { ...kind, id: topic.slice(first + 1, second) };
}

/** What is wrong with the payload, by its field; nothing when it may be published. What it holds besides is not looked at. */
export function payloadFault({ schema, field, id }: WellKnown, data: unknown): Failure | undefined {
  const parsed = schema.safeParse(data);
  if (!parsed.success) return fail('bad_request', explain(parsed.error, data, 'data'));
  const named = (parsed.data as Record<string, unknown>)[field];
  return named === id ? undefined : fail('bad_request', `${field} must be ${id}, as the topic says`);
}
