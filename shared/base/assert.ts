/** A broken promise of our own code, never of a client: it ends up as `internal` at the edge. */
export class Bug extends Error {
  override readonly name = 'Bug';
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Bug(message);
}

/** For values that the surrounding code has already proved to be there. */
export function must<T>(value: T | null | undefined, message = 'a value that must exist is missing'): T {
  if (value === null || value === undefined) throw new Bug(message);
  return value;
}
