import type { DroppedFrame } from '../../../shared/protocol/pushes.ts';
import { eventFrameText } from '../../../shared/wire/event-frame.ts';
import { encodeUtf8 } from '../../../shared/wire/utf8.ts';
import { isLastOfRun } from '../hub/endings.ts';
import type { Entry, Event } from '../hub/entry.ts';
import { nextFormatIndex } from '../hub/format.ts';
import type { Format } from '../hub/format.ts';
import type { Subscriber } from '../hub/subscriber.ts';

/** What the server says of an event's place; '' for none, and the client keeps the last one it was given. */
type IdOf = (event: Event) => string;

/**
 * `data:` is the native frame in JSON, which has no line break in it. An SSE response takes no part in native publish,
 * so the hub's list of formats for that does not need these.
 */
class SseFormat implements Format {
  readonly index = nextFormatIndex();
  readonly binary = false;
  readonly name: string;
  readonly #idOf: IdOf;

  constructor(name: string, idOf: IdOf) {
    this.name = name;
    this.#idOf = idOf;
  }

  encode(entry: Entry): Uint8Array {
    if (entry.kind === 'event') {
      // An ephemeral event has no place to come back to.
      const id = entry.seq === 0 ? '' : this.#idOf(entry);
      return encodeUtf8(`${id}data: ${eventFrameText(entry)}\n\n`);
    }
    const { topic, epoch } = entry;
    if (entry.kind === 'renumbered') return encodeUtf8(droppedText({ type: 'dropped', topic, epoch, reason: 'epoch' }));
    const { from, to } = entry;
    return encodeUtf8(droppedText({ type: 'dropped', topic, from, to, count: to - from + 1 }));
  }
}

/** What was asked for in words that name no numbers, a time or a pattern, is not all kept any more. */
interface HistoryLost {
  type: 'dropped';
  topic: string;
  reason: 'history';
}

export function droppedText(frame: DroppedFrame | HistoryLost): string {
  return `event: dropped\ndata: ${JSON.stringify(frame)}\n\n`;
}

/** On its own it is no event, but moves the place that the client comes back to. */
export function idText(id: string | number): string {
  return `id: ${id}\n\n`;
}

const placeOf: IdOf = ({ epoch, seq }) => `id: ${epoch}:${seq}\n`;

/** For streams of one topic: the place of the event in it. */
export const byPosition: Format = new SseFormat('sse-position', placeOf);

/** Knows the frame that ends a run again, when it is on its way. */
export interface EndingFormat extends Format {
  isLast(frame: Uint8Array): boolean;
}

/** For streams of one run: the same. */
class RunFormat extends SseFormat implements EndingFormat {
  readonly #last = new WeakSet<Uint8Array>();

  override encode(entry: Entry): Uint8Array {
    const frame = super.encode(entry);
    if (isLastOfRun(entry)) this.#last.add(frame);
    return frame;
  }

  isLast(frame: Uint8Array): boolean {
    return this.#last.has(frame);
  }
}

export const ofRun = new RunFormat('sse-run', placeOf);

const byTime: Format = new SseFormat('sse-time', ({ ts }) => `id: ${ts}\n`);
const bare: Format = new SseFormat('sse-bare', () => '');

/**
 * For streams of several topics: the store's time. What is read from the log comes topic by topic, the older events of
 * the second after the newer ones of the first, so that no time says what is still missing: until that is done, events
 * carry no id, and a client that is cut off comes back to where it began.
 */
export class TimeFormat implements Format {
  readonly name = 'sse';
  readonly binary = false;
  subscriber: Subscriber | undefined = undefined;

  /** A number of its own would cost an encoding for each stream. */
  get index(): number {
    return this.#format.index;
  }

  get reading(): boolean {
    return this.subscriber?.cursor?.readsLog ?? false;
  }

  encode(entry: Entry): Uint8Array | null {
    return this.#format.encode(entry);
  }

  get #format(): Format {
    return this.reading ? bare : byTime;
  }
}
