import { fail } from '../../../shared/base/errors.ts';
import type { Failure, Result } from '../../../shared/base/errors.ts';
import type { Identity } from '../../../shared/domain/identity.ts';
import { mayRead, ownedBy } from '../../../shared/domain/permissions.ts';
import type { Runs } from '../../../shared/domain/runs/runs.ts';
import type { Sessions } from '../../../shared/domain/sessions/sessions.ts';

/** Where it stands whose a run or a session is. */
interface Stores {
  readonly runs: Pick<Runs, 'status'>;
  readonly sessions: Pick<Sessions, 'get'>;
}

/**
 * May all of these topics and patterns be read? Nothing means yes. The store is asked only about runs and sessions, and
 * only for those who may not see everything: for any other name the answer is there at once.
 */
export function mayReadAll(
  broker: Stores,
  identity: Identity,
  names: readonly string[],
): Failure | undefined | Promise<Failure | undefined> {
  if (identity.admin) return undefined;
  /** By what is to be asked, since many topics may be of one session. */
  const owned = new Map<string, string>();
  for (const name of names) {
    const home = ownedBy(name);
    if (home !== undefined) {
      owned.set(home, name);
      continue;
    }
    const refused = mayRead(identity, name);
    if (refused) return refused;
  }
  return owned.size > 0 ? mayReadOwned(broker, identity, owned) : undefined;
}

async function mayReadOwned(
  broker: Stores,
  identity: Identity,
  owned: ReadonlyMap<string, string>,
): Promise<Failure | undefined> {
  const found = await Promise.all(
    [...owned].map(async ([home, name]) => refusal(name, await lookUp(broker, identity, home))),
  );
  return found.find((refused) => refused !== undefined);
}

function lookUp({ runs, sessions }: Stores, identity: Identity, home: string): Promise<Result<unknown>> {
  const [kind, id = ''] = home.split('.');
  return kind === 'run' ? runs.status(identity, id) : sessions.get(identity, id);
}

/** Somebody else's, or nobody's: which of the two is not for strangers to know. */
function refusal(name: string, found: Result<unknown>): Failure | undefined {
  if (found.ok) return undefined;
  return found.code === 'not_found' ? fail('forbidden', `${name} is not yours to read`) : found;
}
