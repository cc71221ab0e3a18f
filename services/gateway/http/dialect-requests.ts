import { ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import { decodeJson } from '../../../shared/wire/json.ts';
import type { Broker } from '../core/broker.ts';
import type { Asker } from '../core/client.ts';
import { perform } from '../core/operations.ts';
import type { HttpRequest, HttpRoute, Reply } from '../core/transport.ts';
import type { Answered, Dialect } from '../dialects/dialect.ts';
import { callerOf } from './caller.ts';
import { failed, json } from './reply.ts';

/** What a dialect answers over HTTP. */
export function dialectRequests(broker: Broker, { answered = [] }: Dialect): HttpRoute[] {
  return answered.map((each) => ({
    method: each.method,
    path: each.path,
    handle: (request) => answerOf(broker, each, request),
  }));
}

/** The caller first: who may not come in learns nothing of what else is wrong with the request. */
async function answerOf(broker: Broker, answered: Answered, request: HttpRequest): Promise<Reply> {
  const caller = await callerOf(broker, request);
  const bytes = await request.body();
  if (!caller.ok) return failed(caller);
  const read = bytes.ok && answered.method !== 'GET' ? decodeJson(bytes.value) : bytes;
  if (!read.ok) return failed(read);
  const body = answered.method === 'GET' ? ok(undefined) : read;
  const answer = await new Promise<Result<object>>((resolve, reject) => {
    const asker: Asker = {
      settings: broker.config,
      perform: (operation, input, done) =>
        void perform(broker, caller.value, operation, input).then(done).catch(reject),
    };
    answered.answer(asker, request, body.value, resolve);
  });
  return answer.ok ? json(200, answer.value) : failed(answer);
}
