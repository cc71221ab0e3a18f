import { errorTable } from '../../../shared/base/errors.ts';
import type { Failure } from '../../../shared/base/errors.ts';
import { makeError } from '../../../shared/protocol/pushes.ts';
import type { Reply } from '../core/transport.ts';

export function json(status: number, value: unknown): Reply {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

export function text(status: number, body: string, contentType = 'text/plain; charset=utf-8'): Reply {
  return { status, headers: { 'content-type': contentType }, body };
}

export function failed(failure: Failure): Reply {
  const { status, retryable } = errorTable[failure.code];
  const reply = json(status, { error: makeError(failure).error });
  return retryable && status === 503 ? { ...reply, headers: { ...reply.headers, 'retry-after': '1' } } : reply;
}
