import type { Result } from '../base/errors.ts';
import type { HistoryResult } from '../protocol/publish.ts';
import { errorOf } from './errors.ts';
import type { FollowedRun } from './followed-run.ts';
import { endIn, toldBy } from './run-events.ts';
import type { AgentRunEvent } from './run-events.ts';

/** The run's events after that number, as many as the server gives in one answer. */
type Read = (run: FollowedRun, after: number) => Promise<Result<HistoryResult>>;

/**
 * All that a run told after that number, each event once and in order, up to the one that ends it: from the log where
 * that has it, else from the server's history, and where that has it no more, a word on what is missing.
 */
export async function* eventsAfter(
  after: number,
  followed: Promise<FollowedRun>,
  read: Read,
): AsyncGenerator<AgentRunEvent, undefined> {
  const run = await followed;
  const { log } = run;
  let at = after;
  let { epoch } = log;
  for (;;) {
    if (log.epoch !== epoch) {
      const began = epoch !== '';
      epoch = log.epoch;
      if (began) at = 0;
      if (began) yield { kind: 'gap', reason: 'epoch' };
      continue;
    }
    const event = log.get(at + 1);
    if (event) {
      at = event.seq;
      yield toldBy(event);
      if (endIn(event)) return;
    } else if (at >= log.head) {
      if (log.over) return;
      if (log.failure) throw log.failure;
      await log.more();
    } else {
      const page = await read(run, at);
      if (!page.ok) throw errorOf(page);
      const { events } = page.value;
      log.numberedBy(page.value.epoch);
      if (epoch !== '' && epoch !== log.epoch) continue;
      for (const kept of events) {
        if (kept.seq > at + 1) yield missing(at + 1, kept.seq - 1);
        at = kept.seq;
        yield toldBy(kept);
        if (endIn(kept)) return;
      }
      const { oldest } = log;
      if (events.length > 0 || oldest <= at + 1) continue;
      const from = at + 1;
      at = oldest - 1;
      yield missing(from, at);
    }
  }
}

function missing(from: number, to: number): AgentRunEvent {
  return { kind: 'gap', reason: 'not_kept', from, to };
}
