import { fail, ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import { mayPublish } from '../../../../shared/domain/permissions.ts';
import type { Append, Appended } from '../../../../shared/engine/engine.ts';
import type { PublishRequest, PublishResult } from '../../../../shared/protocol/publish.ts';
import { topicFault } from '../../../../shared/topics/grammar.ts';
import { eventBody, withTraceparent } from '../../../../shared/wire/event-frame.ts';
import type { Broker } from '../broker.ts';
import type { Caller } from '../caller.ts';
import { payloadFault, wellKnownOf } from '../well-known.ts';

type Input = Pick<PublishRequest, 'topic' | 'data' | 'messageId' | 'ephemeral'>;

/** From frame to append: check the name, ask whether it may be, check what everybody knows, serialise once, append. */
export function publish(broker: Broker, caller: Caller, input: Input): Promise<Result<PublishResult>> {
  const { topic, data, messageId, ephemeral } = input;
  const fault = topicFault(topic);
  if (fault) return Promise.resolve(fail('bad_request', `topic: ${fault}`));
  const refused = mayPublish(topic);
  if (refused) return Promise.resolve(refused);
  const known = wellKnownOf(topic);
  const unfit = known && payloadFault(known, data);
  if (unfit) return Promise.resolve(unfit);
  const body = eventBody(data, messageId);
  if (!body.ok) return Promise.resolve(body);
  if (body.value.length > broker.config.maxFrameBytes) return Promise.resolve(fail('payload_too_large'));
  const trace = broker.tracing?.current();
  const event: Append = { topic, body: trace === undefined ? body.value : withTraceparent(body.value, trace) };
  if (known?.retained) event.retain = true;
  if (ephemeral) event.ephemeral = true;
  else if (messageId !== undefined) event.messageId = messageId;
  const { connection } = caller;
  const speaks = known?.isStatus && !ephemeral && connection !== undefined;
  const appending = speaks
    ? broker.whereabouts.statuses.publish(connection, known.id, event)
    : broker.engine.log.append(event);
  return appending.then((appended) => answer(broker, topic, appended));
}

function answer(broker: Broker, topic: string, appended: Result<Appended>): Result<PublishResult> {
  if (!appended.ok) return appended;
  const { seq, epoch, duplicate } = appended.value;
  if (!duplicate) broker.metrics.stats.eventsPublished += 1;
  return ok(duplicate ? { topic, seq, epoch, duplicate } : { topic, seq, epoch });
}
