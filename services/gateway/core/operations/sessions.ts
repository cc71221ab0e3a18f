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

export function sessionMessages(
  { sessions }: Broker,
  caller: Caller,
  input: Pick<SessionMessagesRequest, 'session' | 'thread' | 'after' | 'limit'>,
): Promise<Result<SessionMessagesResult>> {
  return sessions.messages(must(caller.identity), input);
}

function asResult(found: Result<SessionRecord>): Result<SessionResult> {
  return found.ok ? ok({ session: found.value }) : found;
}
