import type { Reporter } from '../../../shared/domain/agent-status.ts';
import type { Identity } from '../../../shared/domain/identity.ts';
import type { Subscriber } from '../hub/subscriber.ts';

/** Who asks for an operation. A subscription needs a connection to go to; HTTP has none. */
export interface Caller {
  readonly identity: Identity | undefined;
  readonly subscriber?: Subscriber | undefined;
  /** One that others may know of: it is somewhere, speaks for somebody, and ends. */
  readonly connection?: Reporter;
}
