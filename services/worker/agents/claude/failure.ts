import { APIConnectionError, APIError } from '@anthropic-ai/sdk';
import { ClaudeError } from './claude-error.ts';

/** Of errors that come in the middle of an answer, when the status has long been sent. */
const statusOf: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};

/** Who asks for more patience than this gets none: the run would hold a place in its worker for nothing. */
const longestWaitMs = 60_000;
/** A proxy may answer with a page of its own. */
const longestSaid = 1000;

export interface ApiFailure {
  readonly error: ClaudeError;
  /** As the API asks for. */
  readonly waitMs: number | undefined;
  /** For the log. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** `key` is never said, not even where a server repeats it. */
export function failureOf(thrown: unknown, key: string): ApiFailure {
  if (!(thrown instanceof APIError) || thrown instanceof APIConnectionError) {
    const code = codeOf(thrown);
    const what = thrown instanceof APIConnectionError ? 'cannot be reached' : 'broke off its answer';
    const message = `the Messages API ${what}${code === undefined ? '' : ` (${code})`}`;
    return { error: new ClaudeError('unavailable', message, true), waitMs: undefined, details: {} };
  }
  const status = thrown.status ?? statusOf[thrown.type ?? ''] ?? 500;
  const { apiMessage, requestID } = thrown;
  const said =
    typeof apiMessage === 'string' ? apiMessage.replaceAll(key, '…').slice(0, longestSaid) : `HTTP ${status}`;
  const [code, passing] = kindOf(status);
  const headers: Headers | undefined = thrown.headers;
  const waitMs = waitOf(headers?.get('retry-after'));
  const tooLong = waitMs !== undefined && waitMs > longestWaitMs;
  // The API knows best: a limit of the month's spending is a 429, too.
  const retryable = passing && !tooLong && headers?.get('x-should-retry') !== 'false';
  const message = `the Messages API says: ${said}${tooLong ? ` (again in ${waitMs / 1000} s)` : ''}`;
  return {
    error: new ClaudeError(code, message, retryable),
    waitMs,
    details: { status, ...(requestID ? { request: requestID } : {}) },
  };
}

function kindOf(status: number): [code: ClaudeError['code'], passing: boolean] {
  if (status === 401 || status === 403) return ['unauthenticated', false];
  if (status === 402) return ['quota_exceeded', false];
  if (status === 429) return ['rate_limited', true];
  if (status === 529) return ['overloaded', true];
  if (status >= 500 || status === 408 || status === 409) return ['unavailable', true];
  return ['bad_input', false];
}

function waitOf(seconds: string | null | undefined): number | undefined {
  const wait = seconds === null || seconds === undefined ? Number.NaN : Number.parseFloat(seconds);
  return wait >= 0 ? wait * 1000 : undefined;
}

/** ECONNREFUSED and its like stand at the innermost cause. Its message may hold anything, so it is not told. */
function codeOf(thrown: unknown): string | undefined {
  let code: unknown;
  for (let at: unknown = thrown, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    code = (at as { code?: unknown }).code ?? code;
  }
  return typeof code === 'string' ? code : undefined;
}
