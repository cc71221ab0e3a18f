import { errorTable } from '../base/errors.ts';
import type { ErrorCode, Failure } from '../base/errors.ts';

/** Every rejection of the client, with a code of the one error table: the server's own, or the client's for what never left it. */
export class AgentwireError extends Error {
  override readonly name = 'AgentwireError';
  readonly code: ErrorCode;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  readonly details: unknown;

  constructor(code: ErrorCode, message: string = errorTable[code].says, details?: unknown) {
    super(message);
    this.code = code;
    this.retryable = errorTable[code].retryable;
    this.details = details;
  }
}

export function errorOf(failure: Failure): AgentwireError {
  return new AgentwireError(failure.code, failure.message, failure.details);
}

/** For values that were thrown by somebody else's code. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
}
