import { fail, ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import { anyone } from '../../../shared/domain/identity.ts';
import type { Broker } from '../core/broker.ts';
import type { Caller } from '../core/caller.ts';
import { originWelcome } from '../core/origin.ts';
import { bearerOf } from '../core/token.ts';
import type { Request } from '../core/transport.ts';

/** Who sent this request. Who may not come in is told so, and nothing of what else is wrong with it. */
export async function callerOf(broker: Broker, request: Request): Promise<Result<Caller>> {
  if (!originWelcome(broker.config, request)) {
    broker.metrics.stats.authFailures += 1;
    return fail('forbidden', 'pages of this origin may not come in');
  }
  if (!broker.auth.required) return ok({ identity: anyone });
  const token = bearerOf(request);
  if (token === undefined) return fail('unauthenticated');
  const found = await broker.auth.authenticate(token);
  if (!found.ok) {
    broker.metrics.stats.authFailures += 1;
    return found;
  }
  return ok({ identity: found.value });
}
