import { must } from '../../base/assert.ts';
import { ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Append, TopicLog } from '../../engine/engine.ts';
import type { PresenceEvent, PresenceMember } from '../../protocol/presence.ts';
import { eventBody } from '../../wire/event-frame.ts';
import { Gathered } from '../gathered.ts';

const prefix = '$presence.';
/** Enough for a watcher that comes back after a moment; who was away for longer asks who is there. */
const kept = 200;
/** Changes that the store has not taken yet. While it is away none are made, so these are what it failed to take. */
const mostWaiting = 100_000;

/** Where the joins and leaves of a topic are told. */
export function presenceTopic(topic: string): string {
  return prefix + topic;
}

/** The topic or pattern whose presence a name is about; nothing for any other name. */
export function watchedBy(name: string): string | undefined {
  return name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
}

/** A member for so long as its lease lasts without a break; after a break it is another one. */
export interface Span extends PresenceMember {
  readonly span: number;
}

interface Piece {
  readonly connection: string;
  readonly event: Append;
}

interface Line {
  readonly pieces: Piece[];
  readonly sending: Gathered<void>;
}

/**
 * Tells of joins and leaves, in order for each member. Each has a name of its own, so that whoever tells of it, and
 * however often, it stands there once.
 */
export class PresenceNews {
  readonly #log: Pick<TopicLog, 'append'>;
  readonly #lines = new Map<string, Line>();
  #waiting = 0;

  constructor(log: Pick<TopicLog, 'append'>) {
    this.#log = log;
  }

  tell(topic: string, change: PresenceEvent['change'], span: Span): void {
    if (this.#waiting >= mostWaiting) return;
    let line = this.#lines.get(topic);
    if (!line) {
      const made: Line = { pieces: [], sending: new Gathered(() => this.#send(topic, made)) };
      this.#lines.set(topic, (line = made));
    }
    line.pieces.push({ connection: span.connection, event: eventOf(topic, change, span) });
    this.#waiting += 1;
    void line.sending.ask();
  }

  /** What the store does not take is not tried again here: others tell of it, and it may be long ago by then. */
  async tellGone(topic: string, spans: readonly (Span & { readonly fresh: boolean })[]): Promise<Result<void>> {
    const joined = spans.filter(({ fresh }) => fresh);
    const told = await this.#append(joined.map((span) => eventOf(topic, 'joined', span)));
    return told.ok ? this.#append(spans.map((span) => eventOf(topic, 'left', span))) : told;
  }

  /** Once more what the store did not take. */
  async retry(): Promise<void> {
    await Promise.all([...this.#lines.values()].map(({ sending }) => sending.ask()));
  }

  async #append(events: readonly Append[]): Promise<Result<void>> {
    const done = await Promise.all(events.map((event) => this.#log.append(event)));
    for (const each of done) if (!each.ok) return each;
    return ok(undefined);
  }

  async #send(topic: string, line: Line): Promise<void> {
    const { pieces } = line;
    while (pieces.length > 0) {
      const some = pieces.splice(0, howManyDiffer(pieces));
      const done = await Promise.all(some.map(({ event }) => this.#log.append(event)));
      const again = some.filter((_, i) => !done[i]!.ok);
      this.#waiting -= some.length - again.length;
      pieces.unshift(...again);
      if (again.length > 0) return;
    }
    // A round that found nothing left to do may come after the next line of the topic has begun.
    if (this.#lines.get(topic) === line) this.#lines.delete(topic);
  }
}

/** A member's leave goes out when its join is there: of those sent together one may fail. */
function howManyDiffer(pieces: readonly Piece[]): number {
  const seen = new Set<string>();
  for (const { connection } of pieces) {
    if (seen.has(connection)) break;
    seen.add(connection);
  }
  return seen.size;
}

function eventOf(topic: string, change: PresenceEvent['change'], { connection, identity, since, span }: Span): Append {
  const told: PresenceEvent = { change, connection, identity, since };
  const body = eventBody(told);
  return {
    topic: presenceTopic(topic),
    body: must(body.ok ? body.value : undefined),
    messageId: `${change} ${connection} ${span}`,
    keep: kept,
  };
}
