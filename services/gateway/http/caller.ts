import { ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import { anyone } from '../../../shared/domain/identity.ts';
import type { Broker } from '../core/broker.ts';
import type { Caller } from '../core/caller.ts';
import { bearerOf } from '../core/token.ts';
import type { Request } from '../core/transport.ts';

/** Who sent this request. Without a token nobody is known, and the operation's guard says so. */
export async function callerOf(broker: Broker, request: Request): Promise<Result<Caller>> {
  if (!broker.auth.required) return ok({ identity: anyone });
  const token = bearerOf(request);
  if (token === undefined) return ok({ identity: undefined });
  const found = await broker.auth.authenticate(token);
  if (!found.ok) {
    broker.metrics.stats.authFailures += 1;
    return found;
  }
  return ok({ identity: found.value });
}
