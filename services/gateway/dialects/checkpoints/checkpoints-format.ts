import type { Entry, Event } from '../../hub/entry.ts';
import { nextFormatIndex } from '../../hub/format.ts';
import type { Format } from '../../hub/format.ts';
import { eventFrame, timestampOf } from './frames.ts';

const kinds: ReadonlySet<unknown> = new Set(['created', 'restored', 'deleted']);

/** What happens to checkpoints, on `session.<id>.checkpoints`, and the sessions that an identity makes. */
class CheckpointsFormat implements Format {
  readonly index = nextFormatIndex();
  readonly name = 'checkpoints';
  readonly binary = false;

  encode(entry: Entry): Uint8Array | null {
    const session = sessionOf(entry);
    if (entry.kind === 'event') return session === undefined ? ofSessions(entry) : ofCheckpoint(entry, session);
    // There is no word for it. A client that knows none passes it over, as it does with any event that is new to it.
    const missing = entry.kind === 'gap' ? { count: entry.to - entry.from + 1 } : {};
    return eventFrame('events_dropped', { ...(session === undefined ? {} : { session_id: session }), ...missing });
  }
}

function ofCheckpoint(event: Event, session: string): Uint8Array | null {
  const { kind, checkpoint, createdAt } = dataOf(event);
  if (!kinds.has(kind)) return null;
  // The time of a checkpoint is the same here as in a list.
  const at = typeof createdAt === 'number' ? createdAt : event.ts;
  const data = { checkpoint_id: checkpoint, session_id: session, timestamp: timestampOf(at) };
  return eventFrame(`checkpoint_${String(kind)}`, data);
}

function ofSessions(event: Event): Uint8Array | null {
  const { kind, session, name, createdAt } = dataOf(event);
  if (kind !== 'created' || typeof createdAt !== 'number') return null;
  return eventFrame('session_created', { session_id: session, name, timestamp: timestampOf(createdAt) });
}

function dataOf({ body }: Event): Record<string, unknown> {
  return (JSON.parse(body) as { data: Record<string, unknown> }).data;
}

function sessionOf({ topic }: Entry): string | undefined {
  return topic.startsWith('session.') ? topic.split('.')[1] : undefined;
}

export const checkpointsFormat: Format = new CheckpointsFormat();
