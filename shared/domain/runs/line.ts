import { must } from '../../base/assert.ts';
import { fail, ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Append, Engine } from '../../engine/engine.ts';
import type { RunState } from '../../protocol/runs.ts';
import { mainThread } from '../../protocol/sessions.ts';
import { eventBody } from '../../wire/event-frame.ts';
import { compareAndSet } from '../compare-and-set.ts';
import { deskFrom, deskKey, homeOfSession, sessionRuns } from '../sessions/desk.ts';
import type { Desk, InLine } from '../sessions/desk.ts';
import { putMessages } from '../sessions/messages.ts';
import type { NewMessage } from '../sessions/messages.ts';
import { extended } from '../sessions/path.ts';
import { noSession, sessionFrom, sessionKey } from '../sessions/session-record.ts';
import { TakingTurns } from '../taking-turns.ts';
import { keptAfterEndMs } from './run-store.ts';

/** Each change writes the whole line. A session with so many runs before it is not served by one more. */
export const longestLine = 100;

/**
 * A run stood in this line and has left it, with its messages. For as long as its record is kept, a start with the same
 * key may come too late to see that, and must not bring it back.
 */
const leftKey = (invocation: string): string => `left.${invocation}`;

export type WhenBusy = 'enqueue' | 'reject' | 'interrupt';

/** What a run leaves behind in its session. */
export interface Left {
  readonly thread: string | undefined;
  readonly messages: readonly NewMessage[];
  readonly state: RunState;
}

/**
 * The line of each session: its runs that have not ended, of which the first is worked on. Whatever happens in it is
 * decided by one commit in the session's home, which also tells of it on `session.<id>.runs`.
 */
export class Line {
  readonly #records: Engine['records'];
  readonly #turns = new TakingTurns();

  constructor(engine: Pick<Engine, 'records'>) {
    this.#records = engine.records;
  }

  async of(session: string): Promise<Result<readonly InLine[]>> {
    const read = await this.#records.read(homeOfSession(session), [deskKey]);
    return read.ok ? ok(deskFrom(read.value[0]).line) : read;
  }

  /**
   * At the end of the line, once in its life; `rank` is its place among the session's runs. Gives back those that are to
   * be interrupted for it. `busy`: there are others and it would not wait, or there are too many. `not_found`: the
   * session is gone, and nobody can have deleted it between this answer and the place in line.
   */
  enter(
    session: string,
    { invocation, agent, at }: InLine,
    rank: number,
    whenBusy: WhenBusy,
  ): Promise<Result<{ interrupted: readonly InLine[] }>> {
    return this.#change(session, [sessionKey, deskKey, leftKey(invocation)], ([record, stored, left]) => {
      if (!sessionFrom(record)) return noSession;
      if (left) return ok({ value: { interrupted: [] } });
      const desk = deskFrom(stored);
      const place = placeOf(desk.line, invocation);
      const before = place < 0 ? desk.line : desk.line.slice(0, place);
      const interrupted = whenBusy === 'interrupt' ? before : [];
      if (place >= 0) return ok({ value: { interrupted } });
      if (before.length > 0 && whenBusy === 'reject') {
        return fail('busy', 'the session has a run that has not ended');
      }
      if (before.length >= longestLine) return fail('busy', `${longestLine} runs of the session wait already`);
      const ahead = before.map((one) => (whenBusy === 'interrupt' ? { ...one, interrupted: true as const } : one));
      const entered: Desk = { ...desk, line: [...ahead, { invocation, agent, at }] };
      return ok({
        value: { interrupted },
        change: {
          put: [{ key: deskKey, value: JSON.stringify(entered) }],
          rank: [{ list: sessionRuns, key: invocation, score: rank }],
          append: [told(session, { kind: 'queued', invocation, agent })],
        },
      });
    });
  }

  /**
   * Out of the line, and its messages into the session, once: nothing happens to one that is not in the line. `left` is
   * nothing for a run that never came to be. Gives back the one whose turn it is thereby.
   */
  leave(session: string, invocation: string, left?: Left): Promise<Result<{ next?: InLine }>> {
    const { thread = mainThread, messages = [], state } = left ?? {};
    return this.#change(session, [deskKey], ([stored]) => {
      const desk = deskFrom(stored);
      const place = placeOf(desk.line, invocation);
      if (place < 0) return ok({ value: {} });
      const line = desk.line.toSpliced(place, 1);
      const next = place === 0 ? line[0] : undefined;
      const gone: Desk = {
        line,
        lastMessage: desk.lastMessage + messages.length,
        path: extended(desk.path, desk.lastMessage, messages.length),
      };
      return ok({
        value: next ? { next } : {},
        change: {
          put: [
            { key: deskKey, value: JSON.stringify(gone) },
            ...putMessages(messages, { invocation, thread }, desk.lastMessage),
            ...(left ? [{ key: leftKey(invocation), value: '', ttlMs: keptAfterEndMs }] : []),
          ],
          ...(state === undefined
            ? { rank: [{ list: sessionRuns, key: invocation, score: null }] }
            : { append: [told(session, { kind: 'ended', invocation, state })] }),
        },
      });
    });
  }

  #change<T>(
    session: string,
    keys: readonly string[],
    decide: Parameters<typeof compareAndSet<T>>[3],
  ): Promise<Result<T>> {
    return this.#turns.take(session, () => compareAndSet(this.#records, homeOfSession(session), keys, decide));
  }
}

function placeOf(line: readonly InLine[], invocation: string): number {
  return line.findIndex((one) => one.invocation === invocation);
}

function told(session: string, event: object): Append {
  const body = eventBody(event);
  return { topic: `${homeOfSession(session)}.runs`, body: must(body.ok ? body.value : undefined) };
}
