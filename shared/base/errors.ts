/**
 * The one table of error codes. A client decides by `retryable` whether to send the
 * same request again; `status` is what HTTP answers with. The wire names are frozen:
 * metrics and clients depend on them.
 */
export const errorTable = {
  bad_frame: { status: 400, retryable: false, says: 'the frame could not be read' },
  bad_request: { status: 400, retryable: false, says: 'a field is missing, of the wrong type or out of range' },
  unknown_type: { status: 400, retryable: false, says: 'no request has this type' },
  unsupported_version: { status: 400, retryable: false, says: 'none of the offered protocol versions is spoken here' },
  unauthenticated: { status: 401, retryable: false, says: 'say who you are first' },
  forbidden: { status: 403, retryable: false, says: 'this identity may not do that' },
  not_found: { status: 404, retryable: false, says: 'there is no such thing, or none that you may see' },
  conflict: { status: 409, retryable: false, says: 'the state of the thing does not allow that now' },
  payload_too_large: { status: 413, retryable: false, says: 'over the size limit' },
  rate_limited: { status: 429, retryable: true, says: 'too many messages; slow down' },
  quota_exceeded: { status: 429, retryable: false, says: 'a quota of this identity is used up' },
  busy: { status: 503, retryable: true, says: 'too much is under way already' },
  unavailable: { status: 503, retryable: true, says: 'the store cannot be reached; the outcome is unknown' },
  timeout: { status: 504, retryable: true, says: 'it took too long' },
  internal: { status: 500, retryable: true, says: 'a fault on our side' },
} as const;

export type ErrorCode = keyof typeof errorTable;

/** An expected failure. It is returned, never thrown: a throw is a bug or a lost connection. */
export interface Failure {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: unknown;
}

export interface Success<T> {
  readonly ok: true;
  readonly value: T;
}

export type Result<T> = Success<T> | Failure;

export function ok<T>(value: T): Success<T> {
  return { ok: true, value };
}

export function fail(code: ErrorCode, message: string = errorTable[code].says, details?: unknown): Failure {
  return details === undefined ? { ok: false, code, message } : { ok: false, code, message, details };
}
