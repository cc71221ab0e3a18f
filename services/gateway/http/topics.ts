import { fail } from '../../../shared/base/errors.ts';
import { parseRequest } from '../../../shared/protocol/requests.ts';
import { isMap } from '../../../shared/protocol/common.ts';
import { decodeJson } from '../../../shared/wire/json.ts';
import type { Broker } from '../core/broker.ts';
import { perform } from '../core/operations.ts';
import type { HttpRequest, HttpRoute, Reply } from '../core/transport.ts';
import type { Door } from '../core/upgrade.ts';
import { callerOf } from './caller.ts';
import { failed, replyTo } from './reply.ts';
import { streamOfTopic, wantsStream } from './sse.ts';

/** Publishing and reading topics over HTTP: the native requests of the same names, with the topic in the path. */
export function topicRoutes(door: Door): HttpRoute[] {
  const { broker } = door;
  return [
    { method: 'POST', path: '/v1/topics/:topic/publish', handle: (request) => publish(broker, request) },
    {
      method: 'GET',
      path: '/v1/topics/:topic/events',
      handle: (request) => (wantsStream(request) ? streamOfTopic(door, request) : history(broker, request)),
    },
  ];
}

async function publish(broker: Broker, request: HttpRequest): Promise<Reply> {
  // Before the body is looked at: who may not come in learns nothing of what is wrong with it.
  const caller = await callerOf(broker, request);
  const bytes = await request.body();
  if (!caller.ok) return failed(caller);
  if (!bytes.ok) return failed(bytes);
  const body = decodeJson(bytes.value);
  if (!body.ok) return failed(body);
  if (!isMap(body.value)) return failed(fail('bad_request', 'the body must be a map'));
  const asked = parseRequest({ ...body.value, type: 'publish', id: null, topic: request.params['topic'] });
  if (!asked.ok) return failed(asked);
  if (asked.value.type !== 'publish') return failed(fail('internal'));
  return replyTo(await perform(broker, caller.value, 'publish', asked.value));
}

async function history(broker: Broker, request: HttpRequest): Promise<Reply> {
  const caller = await callerOf(broker, request);
  if (!caller.ok) return failed(caller);
  const { query } = request;
  const asked = parseRequest({
    type: 'history',
    topic: request.params['topic'],
    after: numberOf(query.get('after')),
    limit: numberOf(query.get('limit')),
    reverse: query.has('reverse') ? query.get('reverse') !== 'false' : null,
  });
  if (!asked.ok) return failed(asked);
  if (asked.value.type !== 'history') return failed(fail('internal'));
  return replyTo(await perform(broker, caller.value, 'history', asked.value));
}

/** What is no number is left as it is, for the schema to refuse by name. */
function numberOf(written: string | null): unknown {
  if (written === null || written.trim() === '') return written === null ? null : written;
  const number = Number(written);
  return Number.isNaN(number) ? written : number;
}
