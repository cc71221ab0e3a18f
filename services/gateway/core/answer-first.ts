import { isSystemTopic } from '../../../shared/topics/grammar.ts';
import { startsWithWildcard } from '../../../shared/topics/match.ts';
import type { Hub } from '../hub/hub.ts';
import { hush } from '../hub/hushing.ts';
import type { Subscriber } from '../hub/subscriber.ts';
import type { InputOf, OperationName } from './operations.ts';

/**
 * An answer comes before the events that its request causes. Most operations are answered a turn before their own event
 * arrives; these three go on for some round trips after the event is in the log. So a connection that may be getting
 * such events hears, until it is answered, what came before it asked: one that asks without a break is late by the time
 * of a request, or of two where the hub has left it to the log. Gives back what ends that, to be called with the
 * answer.
 */
export function answerFirst<N extends OperationName>(
  hub: Hub,
  subscriber: Subscriber | undefined,
  operation: N,
  input: InputOf<N>,
): (() => void) | undefined {
  if (operation !== 'run' && operation !== 'cancel' && operation !== 'resume') return undefined;
  // A new run says nothing on the topics of others, unless it interrupts them; but it is a task, for all to see.
  const ownOnly = operation === 'run' && (input as InputOf<'run'>).whenBusy !== 'interrupt';
  return subscriber && hears(subscriber, ownOnly) ? hush(hub, subscriber) : undefined;
}

function hears({ subscriptions, attached }: Subscriber, ownOnly: boolean): boolean {
  for (const name of subscriptions.keys()) {
    if (name.startsWith('task.') || startsWithWildcard(name)) return true;
    if (isSystemTopic(name) && !(ownOnly && attached?.has(name))) return true;
  }
  return false;
}
