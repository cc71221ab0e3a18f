import type { AgentError } from '../../agent.ts';

type Code =
  | 'no_api_key'
  | 'unauthenticated'
  | 'quota_exceeded'
  | 'bad_input'
  | 'rate_limited'
  | 'overloaded'
  | 'unavailable'
  | 'tool_limit';

/** Fails the run, or begins it again. */
export class ClaudeError extends Error implements AgentError {
  override readonly name = 'ClaudeError';
  readonly code: Code;
  readonly retryable: boolean;

  constructor(code: Code, message: string, retryable = false) {
    super(message);
    this.code = code;
    this.retryable = retryable;
  }
}
