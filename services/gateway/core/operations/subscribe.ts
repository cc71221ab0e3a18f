import { must } from '../../../../shared/base/assert.ts';
import { fail, ok } from '../../../../shared/base/errors.ts';
import type { Failure, Result } from '../../../../shared/base/errors.ts';
import type { SubscribeRequest, UnsubscribeRequest } from '../../../../shared/protocol/subscribe.ts';
import { isPattern, patternFault } from '../../../../shared/topics/grammar.ts';
import type { Ask } from '../../hub/plan.ts';
import type { Since } from '../../hub/since.ts';
import { attached } from '../../hub/attaching.ts';
import { unsubscribe as leave } from '../../hub/leaving.ts';
import { prepare } from '../../hub/subscribing.ts';
import type { Prepared } from '../../hub/subscribing.ts';
import type { Broker } from '../broker.ts';
import type { Caller } from '../caller.ts';
import { mayReadAll } from '../reading.ts';
import { presenceFault } from './presence.ts';

/** All of them or none: one bad name among good ones changes nothing. The answer is made by `attach`, as it goes out. */
export async function subscribe(
  broker: Broker,
  caller: Caller,
  input: Pick<SubscribeRequest, 'topics' | 'presence'>,
): Promise<Result<Prepared>> {
  const subscriber = must(caller.subscriber, 'subscribing needs a connection');
  const limit = broker.config.maxSubscriptions;
  // Before each of them is looked at: what is too many to hold is too many to name.
  if (input.topics.length > limit) return fail('quota_exceeded', `a connection may hold ${limit} subscriptions`);
  const asks: Ask[] = [];
  const added = new Set<string>();
  for (const item of input.topics) {
    const name = typeof item === 'string' ? item : item.topic;
    const asked = (typeof item === 'string' ? undefined : item.since) ?? 'latest';
    const since = sinceOf(name, asked);
    const fault = nameFault(name) ?? (input.presence ? presenceFault(name) : undefined);
    if (fault) return fault;
    if (!since.ok) return since;
    asks.push({ topic: name, since: since.value });
    if (!subscriber.askedFor(name)) added.add(name);
  }
  const allowed = mayReadAll(
    broker,
    must(caller.identity),
    asks.map(({ topic }) => topic),
  );
  const refused = allowed && (await allowed);
  if (refused) return refused;
  if (subscriber.asked + added.size > limit) {
    return fail('quota_exceeded', `a connection may hold ${limit} subscriptions`);
  }
  const promised = subscriber.owed ? await attached(broker.hub, subscriber) : ok(undefined);
  if (!promised.ok) return promised;
  const prepared = await prepare(broker.hub, subscriber, asks);
  if (prepared.ok && input.presence) await enter(broker, caller, asks, prepared.value.time);
  return prepared;
}

/** Before the answer, so that whoever has it is there for others. */
async function enter(broker: Broker, caller: Caller, asks: readonly Ask[], since: number): Promise<void> {
  const { connection, identity } = caller;
  if (!connection || connection.closing) return;
  const topics = asks.map(({ topic }) => topic);
  await broker.whereabouts.presence.join(connection.id, must(identity).id, topics, since);
}

export async function unsubscribe(
  broker: Broker,
  caller: Caller,
  input: Pick<UnsubscribeRequest, 'topics'>,
): Promise<Result<{ topics: string[] }>> {
  for (const name of input.topics) {
    const refused = nameFault(name);
    if (refused) return refused;
  }
  leave(broker.hub, must(caller.subscriber, 'subscribing needs a connection'), input.topics);
  if (caller.connection) await broker.whereabouts.presence.leave(caller.connection.id, input.topics);
  return ok({ topics: input.topics });
}

function nameFault(name: string): Failure | undefined {
  const fault = patternFault(name);
  return fault ? fail('bad_request', `topics: ${JSON.stringify(name.slice(0, 80))}: ${fault}`) : undefined;
}

type Asked = Exclude<SubscribeRequest['topics'][number], string>['since'];

/** A position is one of a topic; a pattern's way back names the topics. */
function sinceOf(name: string, asked: NonNullable<Asked>): Result<Since> {
  if (typeof asked === 'string') return ok(asked);
  if ('seq' in asked) {
    return isPattern(name)
      ? fail('bad_request', `topics: a pattern has no position of its own, as ${name} was given`)
      : ok(asked);
  }
  if ('last' in asked) return ok(asked);
  return ok(asked.positions ? { positions: asked.positions, time: asked.time } : { time: asked.time });
}
