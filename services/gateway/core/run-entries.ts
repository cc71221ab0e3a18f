import type { RunEvent } from '../../../shared/protocol/run-events.ts';
import type { Entry, Event } from '../hub/entry.ts';

const kindFirst = /^\{"data":\{"kind":"(\w+)"/;

/** Of an entry on `run.<invocation>`. */
export function invocationOf(entry: Entry): string {
  return entry.topic.slice('run.'.length);
}

/** What dialects say of a run whose topic is gone as a whole: nothing follows. */
export const runIsGone = 'the run is gone: the store has lost it';

/** Told without parsing: `kind` is always written first. */
export function kindOf(event: Event): string {
  return kindFirst.exec(event.body)?.[1] ?? '';
}

export function runEventOf(event: Event): RunEvent {
  return (JSON.parse(event.body) as { data: RunEvent }).data;
}
