import type { ErrorCode, Failure } from '../../../shared/base/errors.ts';
import { fail } from '../../../shared/base/errors.ts';
import type { GatewayMetrics } from '../../../shared/observe/metrics.ts';
import type { Caller } from './caller.ts';

/**
 * What stands around every operation, whichever dialect or route it came by. `before` runs in the order of the list;
 * the first that refuses ends the call, and nothing was done. `after` runs in the same order, for refused calls, too.
 * Both are synchronous: what has to ask somebody belongs into an operation.
 */
export interface Middleware {
  before?(operation: string, caller: Caller, input: unknown): Failure | undefined;
  after?(operation: string, caller: Caller, outcome: 'ok' | ErrorCode, seconds: number): void;
}

export const requireIdentity: Middleware = {
  before: (_operation, caller) => (caller.identity ? undefined : fail('unauthenticated')),
};

export function measured(metrics: GatewayMetrics): Middleware {
  return {
    after: (operation, _caller, outcome, seconds) => metrics.request(operation, outcome, seconds),
  };
}
