import type { ErrorCode } from '../../shared/base/errors.ts';
import { errorTable } from '../../shared/base/errors.ts';
import type { RunError } from '../../shared/protocol/runs.ts';

const longestMessage = 2000;
const codeForm = /^[\w.-]{1,64}$/;

/** What a misuse of the context, or a store that is away, looks like to an agent; uncaught, it ends the run. */
export class ContextError extends Error {
  override readonly name = 'ContextError';
  readonly code: string;
  readonly retryable: boolean;

  constructor(code: string, message: string, retryable = false) {
    super(message);
    this.code = code;
    this.retryable = retryable;
  }
}

export function contextErrorOf(failure: { code: ErrorCode; message: string }): ContextError {
  return new ContextError(failure.code, failure.message, errorTable[failure.code].retryable);
}

/** The reason of an agent's signal, told as `fetch` and the timers of Node tell theirs. */
export class Stopped extends Error {
  override readonly name: 'AbortError' | 'TimeoutError';

  constructor(message: string, name: 'AbortError' | 'TimeoutError' = 'AbortError') {
    super(message);
    this.name = name;
  }
}

/** Anything can be thrown, a proxy that throws when it is looked at as well. */
export function describeThrown(thrown: unknown): { error: RunError; retryable: boolean } {
  const code = read(thrown, 'code');
  return {
    error: {
      code: typeof code === 'string' && codeForm.test(code) ? code : 'agent_error',
      message: messageOf(thrown).slice(0, longestMessage),
    },
    retryable: read(thrown, 'retryable') === true,
  };
}

function messageOf(thrown: unknown): string {
  if (typeof thrown === 'string' && thrown !== '') return thrown;
  const message = read(thrown, 'message');
  if (typeof message === 'string' && message !== '') return message;
  return `the agent threw ${nameOf(thrown)}`;
}

/** For a message: what kind of value this is, without a look inside. */
export function nameOf(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return 'undefined';
    case 'object':
      return value === null ? 'null' : 'an object';
    case 'function':
      return 'a function';
    case 'string':
      return 'a string';
    default:
      return `a ${typeof value}: ${String(value).slice(0, 40)}`;
  }
}

function read(from: unknown, key: string): unknown {
  try {
    return (from as Record<string, unknown> | null | undefined)?.[key];
  } catch {
    return undefined;
  }
}
