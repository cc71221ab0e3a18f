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
  /** The same one means the same message. */
  readonly messageId: string;
  readonly role: string;
  readonly content: string;
}

type Asked = Omit<Said, 'messageId'> & Partial<Said>;

/**
 * Says something in one session. A chat that has said nothing yet has no session; where one of that id is connected it
 * makes the session now, to keep the message in.
 */
export async function operatorSay(
  broker: Broker,
  caller: Caller,
  { session, role, content, messageId = newId() }: Asked & { readonly session: string },
): Promise<Result<{ session: string; messageId: string }>> {
  const identity = must(caller.identity);
  if (!identity.admin) return notAdmin;
  const find = (): Promise<Result<unknown>> => broker.sessions.get(identity, session);
  const there = await find();
  if (there.ok) {
    const kept = await keep(broker, session, { messageId, role, content });
    return kept.ok ? ok({ session, messageId }) : kept;
  }
  if (there.code !== 'not_found') return there;
  const told = await tellChats(broker, { session, messageId, role, content });
  if (!told.ok) return told;
  const made = await awaited(broker.clock, find);
  return made.ok ? ok({ session, messageId }) : made;
}

/** Says something in the sessions of all chats that are connected now. */
export async function operatorAnnounce(
  broker: Broker,
  caller: Caller,
  { role, content, messageId = newId() }: Asked,
): Promise<Result<{ messageId: string }>> {
  if (!must(caller.identity).admin) return notAdmin;
  const told = await tellChats(broker, { messageId, role, content });
  return told.ok ? ok({ messageId }) : told;
}

/** For dialects that have heard it on `$operator`: it is kept in a session of their client's, once, whoever else keeps it there. */
export async function operatorKeep(
  broker: Broker,
  caller: Caller,
  { session, ...said }: Said & { readonly session: string },
): Promise<Result<unknown>> {
  const found = await broker.sessions.get(must(caller.identity), session);
  return found.ok ? keep(broker, session, said) : found;
}

const notAdmin: Failure = fail('forbidden', 'only an admin speaks as the operator');

function keep({ sessions }: Broker, session: string, { messageId, role, content }: Said): Promise<Result<unknown>> {
  return sessions.say(session, { thread: mainThread, role, content, message: messageId });
}

/** Told again it is kept no second time, and reaches those who have come since. */
async function tellChats({ engine }: Broker, said: Said & { readonly session?: string }): Promise<Result<unknown>> {
  const body = eventBody(said);
  return body.ok ? engine.log.append({ topic: operatorTopic, body: body.value }) : body;
}
