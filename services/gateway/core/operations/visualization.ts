import { must } from '../../../../shared/base/assert.ts';
import { fail, ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import type { Append } from '../../../../shared/engine/engine.ts';
import { eventBody } from '../../../../shared/wire/event-frame.ts';
import type { Broker } from '../broker.ts';
import type { Caller } from '../caller.ts';
import type { VisualMessage } from '../visual-feed.ts';
import { logOf, passes } from '../visual-topics.ts';
import type { Channel, FedChannel, Filters } from '../visual-topics.ts';
import { howManyFit } from './answer-size.ts';

const typeOf = { events: 'event', reasoning: 'reasoning' } as const;
const pageOfLog = 100;

interface Fed {
  readonly channel: FedChannel;
  readonly items: readonly Filters[];
}

/** Keeps what it is given and brings it to all who watch, in the order given; all of it or nothing. */
export async function visualize(
  { clock, config, engine, metrics }: Broker,
  _caller: Caller,
  { channel, items }: Fed,
): Promise<Result<{ stored: number }>> {
  const topic = logOf(channel);
  const timestamp = new Date(clock.now()).toISOString();
  const events: Append[] = [];
  for (const data of items) {
    const message: VisualMessage = { type: typeOf[channel], timestamp, data };
    const body = eventBody(message);
    if (!body.ok) return body;
    if (body.value.length > config.maxFrameBytes) return fail('payload_too_large');
    events.push({ topic, body: body.value });
  }
  const [first] = events;
  if (!first) return ok({ stored: 0 });
  // One by itself goes together with whatever else of the node is appended at the time.
  const appended = await (events.length === 1
    ? engine.log.append(first)
    : engine.records.commit(topic, { append: events }));
  if (!appended.ok) return appended;
  metrics.stats.eventsPublished += events.length;
  return ok({ stored: events.length });
}

interface Asked {
  readonly channel: FedChannel;
  readonly filters: Filters;
  readonly limit: number;
}

/** The newest that the filters let through, oldest first. Looks at what is kept of the channel and at no more than that. */
export async function visualHistory(
  { engine }: Broker,
  _caller: Caller,
  { channel, filters, limit }: Asked,
): Promise<Result<{ messages: VisualMessage[] }>> {
  const found: { message: VisualMessage; size: number }[] = [];
  let before: number | undefined;
  for (;;) {
    const range = { limit: pageOfLog, reverse: true, ...(before === undefined ? {} : { after: before }) };
    const read = await engine.log.read(logOf(channel), range);
    if (!read.ok) return read;
    const { head, events } = read.value;
    for (const { body } of events) {
      const { data: message } = JSON.parse(body) as { data: VisualMessage };
      if (passes(filters, message.data)) found.push({ message, size: body.length });
    }
    const fitting = Math.min(
      limit,
      howManyFit(found, ({ size }) => size),
    );
    before = events.at(-1)?.seq;
    const enough = found.length >= limit || fitting < found.length;
    if (enough || before === undefined || before <= head.first)
      return ok({
        messages: found
          .slice(0, fitting)
          .map(({ message }) => message)
          .toReversed(),
      });
  }
}

interface Watched {
  readonly channels: readonly Channel[];
  readonly filters: Filters;
}

/** In place of what the caller watched of these channels. */
export async function watchVisuals(
  { visuals }: Broker,
  { subscriber }: Caller,
  { channels, filters }: Watched,
): Promise<Result<Record<string, never>>> {
  const watching = await visuals.watch(must(subscriber, 'watching needs a connection'), channels, filters);
  return watching.ok ? ok({}) : watching;
}

/** Without channels: all of them. */
export function unwatchVisuals(
  { visuals }: Broker,
  { subscriber }: Caller,
  { channels }: { readonly channels?: readonly Channel[] },
): Promise<Result<Record<string, never>>> {
  visuals.unwatch(must(subscriber, 'watching needs a connection'), channels);
  return Promise.resolve(ok({}));
}
