import { must } from '../../base/assert.ts';
import { ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Change, Records } from '../../engine/engine.ts';
import { mainThread } from '../../protocol/sessions.ts';
import type { Message } from '../../protocol/sessions.ts';
import { boundedJson } from '../bounded.ts';
import { compareAndSet } from '../compare-and-set.ts';
import { derivedId } from '../derived-ids.ts';
import { deskFrom, deskKey, homeOfSession } from './desk.ts';
import type { Desk } from './desk.ts';
import { chosenKey, chosenList, messageKey, messagesAt } from './messages.ts';
import { extended } from './path.ts';
import { toldOfMessage } from './session-events.ts';
import { noSession, sessionFrom, sessionKey } from './session-record.ts';

export interface Said {
  readonly thread?: string;
  readonly role: string;
  readonly content: unknown;
  /** The message's id, where whoever says it has chosen one: said again under the same id, it is the same message. */
  readonly message?: string;
}

/** Adds a message that belongs to no run, and tells of it in the same commit. */
export async function sayMessage(
  records: Records,
  session: string,
  { thread = mainThread, role, content, message: chosen }: Said,
  { at, mostBytes }: { at: number; mostBytes: number },
): Promise<Result<Message>> {
  const text = boundedJson('the content', content, mostBytes);
  if (!text.ok) return text;
  const keys = [sessionKey, deskKey, ...(chosen === undefined ? [] : [chosenKey(chosen)])];
  return compareAndSet(records, homeOfSession(session), keys, async ([record, stored, known]) => {
    if (!sessionFrom(record)) return noSession;
    if (known) {
      const before = await messagesAt(records, session, [Number(known.value)]);
      return before.ok ? ok({ value: must(before.value[0]) }) : before;
    }
    const desk = deskFrom(stored);
    const number = desk.lastMessage + 1;
    const message: Message = { message: chosen ?? derivedId([newId()], number), thread, role, content, at };
    const after: Desk = { ...desk, lastMessage: number, path: extended(desk.path, desk.lastMessage, 1) };
    const put = [
      { key: deskKey, value: JSON.stringify(after) },
      { key: messageKey(number), value: JSON.stringify(message) },
    ];
    const change: Change = { put, append: [toldOfMessage(session, message)] };
    if (chosen !== undefined) {
      put.push({ key: chosenKey(chosen), value: String(number) });
      change.rank = [{ list: chosenList, key: chosen, score: number }];
    }
    return ok({ value: message, change });
  });
}
