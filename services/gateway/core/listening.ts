import { fail } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import type { Identity } from '../../../shared/domain/identity.ts';
import type { Broker } from './broker.ts';
import { mayReadAll } from './reading.ts';

/** What an operator says to chats. It is for dialects to hear, though not for every client to read: some of it is for one session only. */
export const operatorTopic = '$operator';

/** A topic's events for the node itself, on behalf of somebody who may read them. Gives back the way to stop. */
export async function listen(
  broker: Broker,
  identity: Identity | undefined,
  topic: string,
  heard: (data: unknown) => void,
): Promise<Result<() => void>> {
  if (!identity) return fail('unauthenticated');
  const refused = topic === operatorTopic ? undefined : await mayReadAll(broker, identity, [topic]);
  return refused ?? broker.notices.listen(topic, heard);
}
