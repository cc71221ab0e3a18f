import type { Clock } from '../../../shared/base/clock.ts';
import type { Connections } from './connections.ts';
import type { Kept } from './kept.ts';

const lookMs = 20;
/**
 * Balancers ask about readiness every second or so, and some believe the second answer only. Until they know, whoever
 * leaves may be sent back here and refused, so nobody is asked to; and a node without a client stays for as long. Fixed,
 * because it is the balancer's time and not ours: a longer drain would only hold up every restart. A short drain gives
 * a quarter of itself.
 */
const noticeMs = 2500;
/** What a store that is away takes to fail: requests that wait for it at the end of the time still get their answers. */
const answersMs = 5000;

export interface DrainParts {
  readonly connections: Connections;
  /** Requests at work, whoever asked. */
  readonly underWay: { readonly operations: number };
  /** Requests over HTTP that have no answer yet. */
  readonly unanswered: () => number;
  /** From now on nobody can connect. */
  readonly letNobodyIn: () => void;
  readonly clock: Clock;
  readonly deadlineMs: number;
  /** Is there another node to go to? The embedded store ends with its process, and so does all that is on it. */
  readonly elsewhere: boolean;
}

/**
 * Lets the clients leave: each is told to come back elsewhere, at a moment of its own. Who knows no word for that, or
 * does not heed it, is closed at a later moment of its own. So they do not arrive elsewhere in one wave. What is under
 * way is finished; who is still owed something at the end of the time is closed all the same.
 */
export async function drain(parts: DrainParts): Promise<void> {
  const { connections, underWay, unanswered, letNobodyIn, clock, deadlineMs } = parts;
  const { noticed, leave, close } = scheduleOf(parts);
  const began = clock.now();
  const end = began + deadlineMs;
  const due: Due[] = [];
  const all = [...connections.all()];
  all.forEach((connection, i) => {
    // Evenly, where chance alone would make waves; in the order in which they came, so the latest comers stay longest.
    const place = (i + Math.random()) / all.length;
    connection.goaway?.(Math.floor(within(leave, place)));
    const at = began + within(close, place);
    // Who is behind gets half of what is left. If all were given all of it, a node under load would close them in one wave.
    due.push({ connection, at, latest: (at + end) / 2 });
  });

  let next = 0;
  let late: Due[] = [];
  const isEmpty = (): boolean => connections.size === 0 && unanswered() === 0 && underWay.operations === 0;
  for (let now = began; now < end; now = clock.now()) {
    if (isEmpty() && now >= began + noticed) break;
    while (next < due.length && due[next]!.at <= now) late.push(due[next++]!);
    late = late.filter((one) => !letGo(one, now));
    await pause(clock);
  }

  const answersBy = clock.now() + answersMs;
  while (clock.now() < answersBy && (underWay.operations > 0 || owesAnswers(connections))) await pause(clock);
  for (const connection of connections.all()) connection.close('draining');
  // Requests come until nobody can connect. One that is cut without an answer may have had its effect or not; who finds
  // no connection goes elsewhere.
  letNobodyIn();
  const isOver = (now: number): boolean =>
    (now >= answersBy || (connections.size === 0 && underWay.operations === 0)) && (now >= end || unanswered() === 0);
  // Closing the server cuts what the kernel has not taken yet, so the last answers get a moment.
  do await pause(clock);
  while (!isOver(clock.now()));
}

/** A connection that is to be closed, at this time, or at the latest if it is only behind. */
interface Due {
  readonly connection: Kept;
  readonly at: number;
  readonly latest: number;
}

interface Span {
  readonly from: number;
  readonly to: number;
}

/** Counted from the beginning of the drain: until when it lasts at least, and when clients are to leave and are closed. */
function scheduleOf({ deadlineMs, elsewhere }: DrainParts): { noticed: number; leave: Span; close: Span } {
  if (!elsewhere) {
    // They had nothing but refusals to come back to, and would miss the end of what is at work for them.
    const end = { from: deadlineMs, to: deadlineMs };
    return { noticed: 0, leave: { from: deadlineMs * 0.9, to: deadlineMs }, close: end };
  }
  const noticed = Math.min(noticeMs, deadlineMs / 4);
  const middle = (noticed + deadlineMs) / 2;
  // The process has to end after them, and its time is what it was given for all of it.
  return { noticed, leave: { from: noticed, to: middle }, close: { from: middle, to: deadlineMs * 0.95 } };
}

function within({ from, to }: Span, place: number): number {
  return from + (to - from) * place;
}

/** False: not yet. Of one that has left by itself nothing is pending. */
function letGo({ connection, latest }: Due, now: number): boolean {
  const { pending } = connection;
  if (pending !== 'nothing' && (pending !== 'replay' || now < latest)) return false;
  connection.close('draining');
  return true;
}

function owesAnswers(connections: Connections): boolean {
  for (const connection of connections.all()) if (connection.pending === 'answers') return true;
  return false;
}

function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.later(lookMs, resolve));
}
