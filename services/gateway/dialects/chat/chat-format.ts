import type { RunEvent } from '../../../../shared/protocol/run-events.ts';
import { invocationOf, kindOf, runEventOf, runIsGone } from '../../core/run-entries.ts';
import { saysGone } from '../../hub/entry.ts';
import type { Entry } from '../../hub/entry.ts';
import { nextFormatIndex } from '../../hub/format.ts';
import type { Format } from '../../hub/format.ts';
import { chatFrame, errorFrame } from './frames.ts';
import { watchedRuns } from './watched.ts';
import type { Watched } from './watched.ts';

/** Of a run's events those that a chat has a word for; the others are looked at no further than their kind. */
const spoken: ReadonlySet<string> = new Set(['started', 'chunk', 'completed', 'cancelled', 'failed']);

const missing =
  'some of the answer is missing here, since the connection was too slow for it; the session has all of it';

/** A run as an answer that is written while one looks on. */
class ChatFormat implements Format {
  readonly index = nextFormatIndex();
  readonly name = 'chat';
  readonly binary = false;

  encode(entry: Entry): Uint8Array | null {
    if (entry.kind === 'event' && !spoken.has(kindOf(entry))) return null;
    const run = watchedRuns.get(invocationOf(entry));
    // All who watched it are gone.
    if (!run) return null;
    if (entry.kind === 'event') return encodeEvent(runEventOf(entry), entry.seq, run);
    if (saysGone(entry)) {
      run.begunAt = 0;
      return errorFrame(run.session, runIsGone);
    }
    const last = entry.kind === 'gap' ? entry.to : entry.seq;
    run.begunAt = Math.max(run.begunAt, last);
    run.streamedAt = Math.max(run.streamedAt, last);
    return errorFrame(run.session, missing);
  }
}

function encodeEvent(event: RunEvent, seq: number, run: Watched): Uint8Array | null {
  const { session } = run;
  switch (event.kind) {
    case 'started':
      // Of every attempt: a new one begins the answer anew, and what came before it is void.
      run.begunAt = Math.max(run.begunAt, seq);
      return chatFrame('stream_start', session, '');
    case 'chunk':
      run.streamedAt = Math.max(run.streamedAt, seq);
      return chatFrame('stream_chunk', session, event.text);
    case 'completed':
      return chatFrame(
        'stream_end',
        session,
        run.streamedAt > 0 && run.streamedAt >= run.begunAt ? '' : textOf(event.result),
      );
    case 'cancelled':
      // Its end without a beginning would look like the end of the answer before it, which may be under way.
      return run.begunAt > 0
        ? chatFrame('stream_end', session, '')
        : errorFrame(session, 'a message was cancelled before it was answered');
    case 'failed':
      return errorFrame(session, event.error.message);
    default:
      return null;
  }
}

/** The answer of an agent that says nothing until it is done. */
function textOf(result: unknown): string {
  if (typeof result === 'string') return result;
  return result === undefined || result === null ? '' : JSON.stringify(result);
}

export const chatFormat: Format = new ChatFormat();
