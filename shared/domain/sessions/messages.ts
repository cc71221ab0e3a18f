import { fail, ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Change, Records } from '../../engine/engine.ts';
import type { Message } from '../../protocol/sessions.ts';
import { derivedId, numberIn } from '../derived-ids.ts';
import { deskFrom, deskKey, homeOfSession } from './desk.ts';
import { lengthOf, numbersAt, placeOn } from './path.ts';
import type { Path } from './path.ts';

/** The number of a message stands in its id, so that it is found by either. */
export const messageKey = (number: number): string => `message.${number}`;
/** The number of a message whose id was chosen by somebody else; and the list of those ids. */
export const chosenKey = (message: string): string => `chosen.${message}`;
export const chosenList = 'chosen';

/** Messages of one thread are found by looking through all of them, at least so many in one read. */
const lookedAtOnce = 64;

export interface NewMessage {
  readonly role: string;
  readonly content: unknown;
  readonly at: number;
}

/** The writes that add what was said in a run, behind the last message that the session has a number for. */
export function putMessages(
  said: readonly NewMessage[],
  { invocation, thread }: { invocation: string; thread: string },
  last: number,
): NonNullable<Change['put']> {
  return said.map(({ role, content, at }, i) => {
    const number = last + i + 1;
    const message: Message = { message: derivedId([invocation], number), thread, role, content, at, invocation };
    return { key: messageKey(number), value: JSON.stringify(message) };
  });
}

export interface MessageRange {
  readonly thread?: string;
  /** The id of a message, or how many to pass over. */
  readonly after?: string | number;
  readonly limit: number;
}

/** Oldest first. */
export async function readMessages(
  records: Records,
  session: string,
  { thread, after = 0, limit }: MessageRange,
): Promise<Result<{ messages: Message[]; more: boolean }>> {
  const path = await pathOf(records, session);
  if (!path.ok) return path;
  const from = await startOf(records, session, path.value, thread, after);
  if (!from.ok) return from;
  let { place, toSkip } = from.value;
  const length = lengthOf(path.value);
  // One more than asked for tells whether there are more.
  const wanted = limit + 1;
  const atOnce = thread === undefined ? wanted : Math.max(wanted, lookedAtOnce);
  const messages: Message[] = [];
  while (place < length && messages.length < wanted) {
    const read = await messagesAt(records, session, numbersAt(path.value, place, place + atOnce));
    if (!read.ok) return read;
    const fitting = read.value.filter((one) => thread === undefined || one.thread === thread);
    messages.push(...fitting.slice(toSkip));
    toSkip = Math.max(toSkip - fitting.length, 0);
    place += atOnce;
  }
  return ok({ messages: messages.slice(0, limit), more: messages.length > limit });
}

/** The last ones of a thread, oldest first. */
export async function lastMessages(
  records: Records,
  session: string,
  thread: string,
  limit: number,
): Promise<Result<Message[]>> {
  const path = await pathOf(records, session);
  if (!path.ok) return path;
  const atOnce = Math.max(limit, lookedAtOnce);
  let messages: Message[] = [];
  for (let end = lengthOf(path.value); end > 0 && messages.length < limit; end -= atOnce) {
    const read = await messagesAt(records, session, numbersAt(path.value, end - atOnce, end));
    if (!read.ok) return read;
    messages = [...read.value.filter((one) => one.thread === thread), ...messages];
  }
  return ok(messages.slice(Math.max(messages.length - limit, 0)));
}

async function pathOf(records: Records, session: string): Promise<Result<Path>> {
  const read = await records.read(homeOfSession(session), [deskKey]);
  return read.ok ? ok(deskFrom(read.value[0]).path) : read;
}

/** Where to begin: at which place of the path, and how many of the fitting ones to pass over from there. */
async function startOf(
  records: Records,
  session: string,
  path: Path,
  thread: string | undefined,
  after: string | number,
): Promise<Result<{ place: number; toSkip: number }>> {
  if (typeof after === 'number') {
    return ok(thread === undefined ? { place: after, toSkip: 0 } : { place: 0, toSkip: after });
  }
  const chosen = await records.read(homeOfSession(session), [chosenKey(after)]);
  if (!chosen.ok) return chosen;
  const number = chosen.value[0] ? Number(chosen.value[0].value) : numberIn(after);
  const place = number === undefined ? undefined : placeOn(path, number);
  if (number === undefined || place === undefined) return notFound;
  const read = await messagesAt(records, session, [number]);
  if (!read.ok) return read;
  const found = read.value[0];
  const fits = found?.message === after && (thread === undefined || found.thread === thread);
  return fits ? ok({ place: place + 1, toSkip: 0 }) : notFound;
}

export async function messagesAt(
  records: Records,
  session: string,
  numbers: readonly number[],
): Promise<Result<Message[]>> {
  const read = await records.read(homeOfSession(session), numbers.map(messageKey));
  if (!read.ok) return read;
  return ok(read.value.flatMap((stored) => (stored ? [JSON.parse(stored.value) as Message] : [])));
}

const notFound = fail('not_found', 'there is no such message');
