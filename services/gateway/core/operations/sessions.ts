import { must } from '../../../../shared/base/assert.ts';
import { ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import type {
  SessionCreateRequest,
  SessionDeleteResult,
  SessionGetRequest,
  SessionListRequest,
  SessionListResult,
  SessionMessagesRequest,
  SessionMessagesResult,
  SessionRecord,
  SessionResult,
  SessionUpdateRequest,
} from '../../../../shared/protocol/sessions.ts';
import type { Broker } from '../broker.ts';
import type { Caller } from '../caller.ts';
import { howManyFit, sizeAsJson } from './answer-size.ts';

type OfSession = Pick<SessionGetRequest, 'session'>;

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
  { session }: OfSession,
): Promise<Result<SessionResult>> {
  return asResult(await sessions.ensure(must(caller.identity), { session }));
}

export async function getSession(
  { sessions }: Broker,
  caller: Caller,
  { session }: OfSession,
): Promise<Result<SessionResult>> {
  return asResult(await sessions.get(must(caller.identity), session));
}

/** Those that the caller may see, newest first. A page is no longer than an answer may be. */
export function listSessions(
  { sessions }: Broker,
  caller: Caller,
  input: Pick<SessionListRequest, 'limit' | 'cursor'>,
): Promise<Result<SessionListResult>> {
  return sessions.list(must(caller.identity), input);
}

export async function updateSession(
  { sessions }: Broker,
  caller: Caller,
  input: Pick<SessionUpdateRequest, 'session' | 'rev' | 'state' | 'metadata' | 'name'>,
): Promise<Result<SessionResult>> {
  return asResult(await sessions.update(must(caller.identity), input));
}

/** With all that belongs to it. */
export async function deleteSession(
  { sessions }: Broker,
  caller: Caller,
  { session }: OfSession,
): Promise<Result<SessionDeleteResult>> {
  const deleted = await sessions.delete(must(caller.identity), session);
  return deleted.ok ? ok({ session }) : deleted;
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
