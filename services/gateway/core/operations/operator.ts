import { must } from '../../../../shared/base/assert.ts';
import { fail, ok } from '../../../../shared/base/errors.ts';
import type { Failure, Result } from '../../../../shared/base/errors.ts';
import { newId } from '../../../../shared/base/ids.ts';
import { mainThread } from '../../../../shared/protocol/sessions.ts';
import { eventBody } from '../../../../shared/wire/event-frame.ts';
import { awaited } from '../awaited.ts';
import type { Broker } from '../broker.ts';
import type { Caller } from '../caller.ts';
import { operatorTopic } from '../listening.ts';

interface Said {
  readonly role: string;
  readonly content: string;
}

interface Asked extends Said {
  /** The same one means the same message. */
  readonly messageId?: string;
}

/**
 * Says something in one session. A chat that has said nothing yet has no session; where one of that id is connected it
 * makes the session now, to keep the message in.
 */
export async function operatorSay(
  broker: Broker,
  caller: Caller,
  { session, role, content, messageId = newId() }: Asked & { readonly session: string },
): Promise<Result<{ session: string; message: string }>> {
  const identity = must(caller.identity);
  if (!identity.admin) return notAdmin;
  const find = (): Promise<Result<unknown>> => broker.sessions.get(identity, session);
  const there = await find();
  const said = there.ok
    ? await keep(broker, session, { message: messageId, role, content })
    : there.code === 'not_found'
      ? await tellChats(broker, { session, message: messageId, role, content })
      : there;
  if (!said.ok) return said;
  const kept = there.ok ? there : await awaited(broker.clock, find);
  return kept.ok ? ok({ session, message: messageId }) : kept;
}

/** Says something in the sessions of all chats that are connected now. */
export async function operatorAnnounce(
  broker: Broker,
  caller: Caller,
  { role, content, messageId = newId() }: Asked,
): Promise<Result<{ message: string }>> {
  if (!must(caller.identity).admin) return notAdmin;
  const told = await tellChats(broker, { message: messageId, role, content });
  return told.ok ? ok({ message: messageId }) : told;
}

/** For dialects that have heard it on `$operator`: it is kept in a session of their client's, once, whoever else keeps it there. */
export async function operatorKeep(
  broker: Broker,
  caller: Caller,
  { session, ...said }: Said & { readonly session: string; readonly message: string },
): Promise<Result<unknown>> {
  const found = await broker.sessions.get(must(caller.identity), session);
  return found.ok ? keep(broker, session, said) : found;
}

const notAdmin: Failure = fail('forbidden', 'only an admin speaks as the operator');

function keep(
  { sessions }: Broker,
  session: string,
  { message, role, content }: Said & { readonly message: string },
): Promise<Result<unknown>> {
  return sessions.say(session, { thread: mainThread, role, content, message });
}

/** Told again it is kept no second time, and reaches those who have come since. */
async function tellChats(
  { engine }: Broker,
  said: Said & { readonly message: string; readonly session?: string },
): Promise<Result<unknown>> {
  const body = eventBody(said);
  return body.ok ? engine.log.append({ topic: operatorTopic, body: body.value }) : body;
}
