import { fail } from '../base/errors.ts';
import type { Failure } from '../base/errors.ts';
import { isSystemTopic, isSystemWritten } from '../topics/grammar.ts';
import type { Identity } from './identity.ts';

/** What an identity may not do is a value that says so; nothing means that it may. */
export function mayPublish(topic: string): Failure | undefined {
  return isSystemWritten(topic) ? fail('forbidden', `${topic} is written by the system only`) : undefined;
}

/** Topics of runs and sessions belong to somebody, and a pattern over them to nobody. */
export function mayRead(identity: Identity, name: string): Failure | undefined {
  return identity.admin || !isSystemTopic(name) ? undefined : fail('forbidden', `${name} is not yours to read`);
}
