import { ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import { isOver } from '../../../shared/domain/runs/run.ts';
import type { RunStore } from '../../../shared/domain/runs/run-store.ts';
import type { RunEvent } from '../../../shared/protocol/run-events.ts';
import type { Entry, Event } from '../hub/entry.ts';

const kindFirst = /^\{"data":\{"kind":"(\w+)"/;

/** Of an entry on `run.<invocation>`. */
export function invocationOf(entry: Pick<Entry, 'topic'>): string {
  return entry.topic.slice('run.'.length);
}

/** A record has no time to live before its run has ended, and how it ended stands in it from the very commit that says so. */
export async function goesOn(store: Pick<RunStore, 'load'>, topic: string): Promise<Result<boolean>> {
  const found = await store.load(invocationOf({ topic }));
  if (found.ok) return ok(!isOver(found.value.run));
  return found.code === 'not_found' ? ok(false) : found;
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
