import type * as z from 'zod';
import { fail, ok } from '../base/errors.ts';
import type { Result } from '../base/errors.ts';
import { isMap, optionalFields, withoutNulls } from './common.ts';
import { explain } from './explain.ts';

export type FrameSchemas = Readonly<Record<string, z.ZodObject>>;
export type FrameOf<S extends FrameSchemas> = { [T in keyof S]: z.output<S[T]> }[keyof S];

/** From whatever a codec gave to a frame that can be acted upon: its `type` names the schema. Unknown fields are left out. */
export function frameReader<S extends FrameSchemas>(schemas: S): (frame: unknown) => Result<FrameOf<S>> {
  // A Map and not the table itself: a type named `constructor` must be unknown.
  const readers = new Map(
    Object.entries(schemas).map(([type, schema]) => [type, { schema, optional: optionalFields(schema.shape) }]),
  );
  return (frame) => {
    if (!isMap(frame)) return fail('bad_frame', 'a frame must be a map');
    const { type } = frame;
    if (typeof type !== 'string') return fail('bad_frame', 'a frame must have a type, which is a string');
    const reader = readers.get(type);
    if (reader === undefined) return fail('unknown_type');
    const known = withoutNulls(frame, reader.optional);
    const parsed = reader.schema.safeParse(known);
    return parsed.success ? ok(parsed.data as FrameOf<S>) : fail('bad_request', explain(parsed.error, known));
  };
}
