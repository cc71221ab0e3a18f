import { fail, ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import { must } from '../../../../shared/base/assert.ts';
import type { LogEvent } from '../../../../shared/engine/engine.ts';
import type { HistoryRequest, HistoryResult } from '../../../../shared/protocol/publish.ts';
import { topicFault } from '../../../../shared/topics/grammar.ts';
import type { EventFields } from '../../../../shared/wire/event-frame.ts';
import type { Broker } from '../broker.ts';
import type { Caller } from '../caller.ts';
import { mayReadAll } from '../reading.ts';
import { howManyFit } from './answer-size.ts';

type Input = Pick<HistoryRequest, 'topic' | 'after' | 'limit' | 'reverse'>;

export async function history(broker: Broker, caller: Caller, input: Input): Promise<Result<HistoryResult>> {
  const { topic, after, limit, reverse } = input;
  const fault = topicFault(topic);
  if (fault) return fail('bad_request', `topic: ${fault}`);
  const asked = mayReadAll(broker, must(caller.identity), [topic]);
  const refused = asked && (await asked);
  if (refused) return refused;
  const range = { limit, ...(after === undefined ? {} : { after }), ...(reverse ? { reverse } : {}) };
  const read = await broker.engine.log.read(topic, range);
  if (!read.ok) return read;
  const { head, events } = read.value;
  const fitting = events.slice(
    0,
    howManyFit(events, ({ body }) => body.length),
  );
  const last = fitting.at(-1);
  const more = last !== undefined && (reverse ? last.seq > head.first : last.seq < head.seq);
  return ok({ epoch: head.epoch, seq: head.seq, events: fitting.map(asSent), more });
}

/** An event as it stands in an answer: the fields of its frame. */
function asSent(event: LogEvent): HistoryResult['events'][number] {
  const { topic, seq, epoch, ts, body } = event;
  return { topic, seq, epoch, ts, ...(JSON.parse(body) as EventFields) };
}
