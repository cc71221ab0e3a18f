import type { Since, SubscribeResult, Subscribed } from '../protocol/subscribe.ts';
import type { Entry } from './entry.ts';
import type { Gap } from './events.ts';
import type { Positions } from './positions.ts';
import type { Registry } from './registry.ts';
import type { Settling } from './settling.ts';

/** What the answers to subscriptions say of where the application stands, and of what it will not get. */
export class Recovery {
  readonly #registry: Registry;
  readonly #positions: Positions;
  readonly #settling: Settling;
  readonly #onGap: (gap: Gap) => void;

  constructor(registry: Registry, positions: Positions, settling: Settling, onGap: (gap: Gap) => void) {
    this.#registry = registry;
    this.#positions = positions;
    this.#settling = settling;
    this.#onGap = onGap;
  }

  established(entries: readonly Entry[], { time, subscriptions }: SubscribeResult): void {
    const gaps: Gap[] = [];
    const first = new Set(entries.filter((entry) => !entry.established));
    // All of them first: whether a topic is matched by another one of the same frame decides below.
    for (const entry of entries) {
      entry.established = true;
      entry.active = !entry.removed;
      entry.alone = false;
      if (first.has(entry) && entry.pattern) this.#beginPattern(entry, time);
    }
    entries.forEach((entry, i) => {
      const said = subscriptions[i];
      if (entry.removed || !said) return;
      entry.info = said;
      if (!entry.pattern) this.#placeTopic(entry, said, time, first, gaps);
      else if (entry.forgot) gaps.push({ topic: entry.name, reason: 'forgotten' });
      else if (said.recovered === false) gaps.push({ topic: entry.name, reason: 'not_kept' });
      entry.forgot = false;
    });
    if (entries.some((entry) => entry.pattern)) this.#settling.answered(time);
    // Last, since the handlers of the application may subscribe and unsubscribe.
    for (const gap of gaps) this.#onGap(gap);
  }

  #beginPattern(entry: Entry, now: number): void {
    const { since } = entry;
    entry.time = now;
    if (asksForOld(since)) entry.time = 0;
    if (typeof since !== 'object' || !('time' in since)) return;
    entry.time = since.time;
    for (const [topic, { epoch, seq }] of Object.entries(since.positions ?? {})) {
      if (!this.#positions.get(topic)) this.#positions.place(topic, { epoch, seq, ts: now, loose: false });
    }
  }

  #placeTopic(entry: Entry, said: Subscribed, time: number, first: ReadonlySet<Entry>, gaps: Gap[]): void {
    const { name } = entry;
    const { epoch = '', seq = 0, replay = 0 } = said;
    const before = seq - replay;
    const seen = this.#positions.get(name);
    if (said.recovered === false) {
      const stood = seen ?? (typeof entry.since === 'object' && 'seq' in entry.since ? entry.since : undefined);
      // The position of a topic that was never used is one in every numbering.
      if (stood && stood.epoch !== epoch && stood.epoch !== '')
        gaps.push({ topic: name, reason: 'epoch', epoch, ...numbers(1, before) });
      else gaps.push({ topic: name, reason: 'not_kept', epoch, ...(stood ? numbers(stood.seq + 1, before) : {}) });
      // So that the hole which was told of just now is not found once more with the next event.
      if (seen && (seen.epoch !== epoch || seen.seq < before))
        this.#positions.place(name, { epoch, seq: before, ts: seen.ts, loose: true });
    }
    if (!first.has(entry) || seen) return;
    // A pattern that matches it may bring older events yet; they must not be taken for repetitions. So there is no
    // position, but a time: of this answer, if what came before was the pattern's to bring.
    const patterns = this.#registry.patternsOf(name).filter((pattern) => pattern.established);
    if (patterns.length === 0) this.#positions.place(name, { epoch, seq: before, ts: time, loose: false });
    else if (entry.since === 'latest' || patterns.some((pattern) => !first.has(pattern))) entry.since = { time };
    else if (asksForOld(entry.since)) entry.since = { time: 0 };
  }
}

/** Of whatever age: what of it has not come before the connection is lost, no time but the first brings. */
function asksForOld(since: Since): boolean {
  return since === 'earliest' || (typeof since === 'object' && 'last' in since);
}

function numbers(from: number, to: number): { from: number; to: number } | object {
  return from > to ? {} : { from, to };
}
