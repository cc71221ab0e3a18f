import { fail } from '../base/errors.ts';
import type { Failure } from '../base/errors.ts';
import { isPattern, isSystemTopic, isSystemWritten } from '../topics/grammar.ts';
import { homeOf } from '../topics/home.ts';
import type { Identity } from './identity.ts';
import { watchedBy } from './presence/presence-news.ts';
import { sessionsTopic } from './sessions/session-events.ts';

/** What an identity may not do is a value that says so; nothing means that it may. */
export function mayPublish(topic: string): Failure | undefined {
  return isSystemWritten(topic) ? fail('forbidden', `${topic} is written by the system only`) : undefined;
}

/**
 * The run or the session, as `run.<id>` or `session.<id>`, to whose owner a topic belongs. A pattern within one session
 * belongs to it as well; one over several belongs to nobody. Who is at a topic is for those who may read it.
 */
export function ownedBy(name: string): string | undefined {
  const subject = watchedBy(name) ?? name;
  const home = homeOf(subject);
  if (isPattern(home)) return undefined;
  if (home.startsWith('session.')) return home;
  return home.startsWith('run.') && home === subject ? home : undefined;
}

/**
 * For names that are not owned: what the system has besides is for those who may see everything, but for what it tells
 * everybody of their own sessions.
 */
export function mayRead(identity: Identity, name: string): Failure | undefined {
  if (identity.admin || name === sessionsTopic(identity.id)) return undefined;
  const watched = watchedBy(name);
  // Behind the prefix a wildcard takes in the topics that belong to somebody, too.
  const open = watched === undefined ? !isSystemTopic(name) : !isSystemTopic(watched) && !/^[*#]/.test(watched);
  if (open) return undefined;
  return fail('forbidden', `${name} is not yours to read`);
}
