/** What an agent's generator gave when it was asked for its next value; nothing where it was cut off. */
export type Pulled =
  | { is: 'value'; next: IteratorResult<unknown, unknown> }
  | { is: 'thrown'; error: unknown }
  | undefined;

/** An iterator that is not of the language's own making may give back anything. */
export function readNext(next: unknown): Pulled {
  try {
    const { done, value } = next as IteratorResult<unknown, unknown>;
    return { is: 'value', next: done ? { done: true, value } : { done: false, value } };
  } catch (error) {
    return { is: 'thrown', error };
  }
}

/** Its `finally` blocks run if it gets that far; nobody waits for it, and what it throws is nobody's any more. */
export function letGo(generator: AsyncGenerator): void {
  try {
    Promise.resolve(generator.return(undefined)).catch(() => {});
  } catch {
    // It was none of the language's own.
  }
}
