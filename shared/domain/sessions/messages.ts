import { fail, ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Change, Records, Stored } from '../../engine/engine.ts';
import type { Message } from '../../protocol/sessions.ts';
import { derivedId, numberIn } from '../derived-ids.ts';
import { homeOfSession } from './desk.ts';

/**
 * Messages are numbered without holes, in the session and in each thread, so that any page of them is found by its
 * numbers: one read, however long the conversation. A message's own number stands in its id.
 */
const messageKey = (number: number): string => `message.${number}`;
/** The number in the session of a thread's n-th message. */
const placeKey = (thread: string, n: number): string => `place.${n}.${thread}`;
/** How many messages a thread has. */
export const threadKey = (thread: string): string => `thread.${thread}`;

interface Kept extends Message {
  /** Its number within its thread. */
  readonly n: number;
}

export interface NewMessage {
  readonly role: string;
  readonly content: unknown;
  readonly at: number;
}

export function threadSize(stored: Stored | undefined): number {
  return stored ? Number(stored.value) : 0;
}

/** The writes that add what was said in a run, behind so many messages of the session and of the thread. */
export function putMessages(
  said: readonly NewMessage[],
  of: { invocation: string; thread: string },
  behind: { messages: number; inThread: number },
): NonNullable<Change['put']> {
  const { invocation, thread } = of;
  const put = said.flatMap(({ role, content, at }, i) => {
    const number = behind.messages + i + 1;
    const n = behind.inThread + i + 1;
    const message = derivedId([invocation], number);
    const kept: Kept = { message, thread, role, content, at, invocation, n };
    return [
      { key: messageKey(number), value: JSON.stringify(kept) },
      { key: placeKey(thread, n), value: String(number) },
    ];
  });
  return [...put, { key: threadKey(thread), value: String(behind.inThread + said.length) }];
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
  const from = typeof after === 'number' ? ok(after) : await placeOf(records, session, after, thread);
  if (!from.ok) return from;
  // One more than asked for tells whether there are more.
  const wanted = numbersAfter(from.value, limit + 1);
  const numbers = thread === undefined ? ok(wanted) : await placesOf(records, session, thread, wanted);
  if (!numbers.ok) return numbers;
  const found = await messagesAt(records, session, numbers.value);
  return found.ok ? ok({ messages: found.value.slice(0, limit), more: found.value.length > limit }) : found;
}

/** The last ones of a thread, oldest first. */
export async function lastMessages(
  records: Records,
  session: string,
  thread: string,
  limit: number,
): Promise<Result<Message[]>> {
  const read = await records.read(homeOfSession(session), [threadKey(thread)]);
  if (!read.ok) return read;
  const size = threadSize(read.value[0]);
  const last = Math.min(size, limit);
  const numbers = await placesOf(records, session, thread, numbersAfter(size - last, last));
  return numbers.ok ? messagesAt(records, session, numbers.value) : numbers;
}

/** How many messages of the session, or of the thread, there are up to this one. */
async function placeOf(
  records: Records,
  session: string,
  id: string,
  thread: string | undefined,
): Promise<Result<number>> {
  const number = numberIn(id);
  if (number !== undefined) {
    const read = await records.read(homeOfSession(session), [messageKey(number)]);
    if (!read.ok) return read;
    const kept = read.value[0] && (JSON.parse(read.value[0].value) as Kept);
    if (kept?.message === id && (thread === undefined || kept.thread === thread)) {
      return ok(thread === undefined ? number : kept.n);
    }
  }
  return fail('not_found', 'there is no such message');
}

async function placesOf(
  records: Records,
  session: string,
  thread: string,
  ns: readonly number[],
): Promise<Result<number[]>> {
  const keys = ns.map((n) => placeKey(thread, n));
  const read = await records.read(homeOfSession(session), keys);
  return read.ok ? ok(read.value.flatMap((stored) => (stored ? [Number(stored.value)] : []))) : read;
}

async function messagesAt(records: Records, session: string, numbers: readonly number[]): Promise<Result<Message[]>> {
  const read = await records.read(homeOfSession(session), numbers.map(messageKey));
  if (!read.ok) return read;
  return ok(read.value.flatMap((stored) => (stored ? [messageFrom(stored)] : [])));
}

function messageFrom(stored: Stored): Message {
  const { n: _, ...message } = JSON.parse(stored.value) as Kept;
  return message;
}

function numbersAfter(after: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => after + i + 1);
}
