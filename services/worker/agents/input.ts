import type * as z from 'zod';
import { explain } from '../../../shared/protocol/explain.ts';

/** Fails the run, and says of which field it was. */
class BadInput extends Error {
  override readonly name = 'BadInput';
  readonly code = 'bad_input';
}

export function readInput<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw new BadInput(explain(parsed.error, input, 'the input'));
}
