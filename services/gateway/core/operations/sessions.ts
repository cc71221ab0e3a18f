import { must } from '../../../../shared/base/assert.ts';
import { ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import type {
  SessionCreateRequest,
  SessionGetRequest,
  SessionMessagesRequest,
  SessionMessagesResult,
  SessionRecord,
  SessionResult,
} from '../../../../shared/protocol/sessions.ts';
import type { Broker } from '../broker.ts';
import type { Caller } from '../caller.ts';
import { howManyFit, sizeAsJson } from './answer-size.ts';

export async function createSession(
  { sessions }: Broker,
  caller: Caller,
  input: Pick<SessionCreateRequest, 'session' | 'name' | 'agent' | 'metadata'>,
): Promise<Result<SessionResult>> {
  return asResult(await sessions.create(must(caller.identity), input));
}

/** For dialects whose clients never ask for a session, but name one. Another's is `forbidden`. */
export async function ensureSession(
  { sessions }: Broker,
  caller: Caller,
  { session }: Pick<SessionGetRequest, 'session'>,
): Promise<Result<SessionResult>> {
  return asResult(await sessions.ensure(must(caller.identity), { session }));
}

export async function getSession(
  { sessions }: Broker,
  caller: Caller,
  { session }: Pick<SessionGetRequest, 'session'>,
): Promise<Result<SessionResult>> {
  return asResult(await sessions.get(must(caller.identity), session));
}

export async function sessionMessages(
  { sessions }: Broker,
  caller: Caller,
  input: Pick<SessionMessagesRequest, 'session' | 'thread' | 'after' | 'limit'>,
): Promise<Result<SessionMessagesResult>> {
  const read = await sessions.messages(must(caller.identity), input);
  if (!read.ok) return read;
  const { messages, more } = read.value;
  const count = howManyFit(messages, sizeAsJson);
  return ok({ messages: messages.slice(0, count), more: more || count < messages.length });
}

function asResult(found: Result<SessionRecord>): Result<SessionResult> {
  return found.ok ? ok({ session: found.value }) : found;
}
