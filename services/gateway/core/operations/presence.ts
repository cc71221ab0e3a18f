import { must } from '../../../../shared/base/assert.ts';
import { fail, ok } from '../../../../shared/base/errors.ts';
import type { Failure, Result } from '../../../../shared/base/errors.ts';
import type { PresenceRequest, PresenceResult } from '../../../../shared/protocol/presence.ts';
import { isPattern, topicFault } from '../../../../shared/topics/grammar.ts';
import type { Broker } from '../broker.ts';
import type { Caller } from '../caller.ts';
import { mayReadAll } from '../reading.ts';
import { howManyFit } from './answer-size.ts';

/** About a megabyte where identities are short. */
const mostMembers = 10_000;
const mostBytes = 2 * 1024 * 1024;
/** Of a member, besides its identity. */
const memberBytes = 100;

/** A pattern has no members of its own, and what is told of members has none. */
export function presenceFault(name: string): Failure | undefined {
  const kind = isPattern(name) ? 'a pattern' : name.startsWith('$') ? 'a topic of the system' : undefined;
  return kind && fail('bad_request', `presence is of a topic, and ${name} is ${kind}`);
}

export async function presence(
  broker: Broker,
  caller: Caller,
  { topic }: Pick<PresenceRequest, 'topic'>,
): Promise<Result<PresenceResult>> {
  const unfit = presenceFault(topic.slice(0, 300));
  if (unfit) return unfit;
  const fault = topicFault(topic);
  if (fault) return fail('bad_request', `topic: ${fault}`);
  const asked = mayReadAll(broker, must(caller.identity), [topic]);
  const refused = asked && (await asked);
  if (refused) return refused;
  const found = await broker.whereabouts.presence.members(topic);
  if (!found.ok) return found;
  const first = found.value.slice(0, mostMembers);
  const fitting = howManyFit(first, ({ identity }) => memberBytes + identity.length, mostBytes);
  return ok({ members: first.slice(0, fitting), count: found.value.length });
}
