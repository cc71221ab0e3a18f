import type { Emitter } from './emitter.ts';
import type { Entry } from './entry.ts';
import type { AgentwireEvent } from './events.ts';
import type { Positions } from './positions.ts';
import type { Registry } from './registry.ts';
import type { Runs } from './runs.ts';
import type { Settling } from './settling.ts';

/** Brings what the server pushes to the handlers: each event once, to each handler that matches, and only then counts it as seen. */
export class Delivery {
  readonly #registry: Registry;
  readonly #positions: Positions;
  readonly #settling: Settling;
  readonly #emitter: Emitter;
  readonly #runs: Runs;

  constructor(registry: Registry, positions: Positions, settling: Settling, emitter: Emitter, runs: Runs) {
    this.#registry = registry;
    this.#positions = positions;
    this.#settling = settling;
    this.#emitter = emitter;
    this.#runs = runs;
  }

  event(event: AgentwireEvent): void {
    const { topic, seq, epoch = '', ts } = event;
    const followed = this.#runs.event(event);
    const entries = this.#registry.match(topic);
    // A run's loops are told of it: to them it is once and in order, also what they read from the history.
    if (followed && entries.length === 0) return;
    const active = entries.some((entry) => entry.active);
    // Of a subscription that was given up; the one that is being made begins with what comes after its answer.
    if (!active && entries.length > 0) return;
    if (seq === 0 || !active) {
      this.#dispatch(event, entries);
      return;
    }
    this.#settling.observe(ts);
    if (!this.#isNew(topic, epoch, seq)) return;
    this.#dispatch(event, entries);
    // The handlers may have given the subscription up, and begun anew with one that wants the event again.
    if (!entries.some((entry) => entry.active)) return;
    const size = this.#positions.size;
    this.#positions.advance(topic, epoch, seq, ts);
    if (this.#positions.size > size) this.#settling.grown();
  }

  /** The server's word on a hole. */
  dropped(frame: Readonly<Record<string, unknown>>): void {
    const { topic, epoch, from, to, count } = frame;
    if (typeof topic !== 'string') return;
    const followed = typeof epoch === 'string' ? this.#runs.renumbered(topic, epoch) : this.#runs.dropped(topic);
    if (followed && this.#registry.match(topic).length === 0) return;
    const seen = this.#positions.get(topic);
    if (typeof epoch === 'string') {
      if (seen && seen.epoch !== epoch) this.#positions.place(topic, { epoch, seq: 0, ts: seen.ts, loose: true });
      this.#emitter.emit('dropped', { topic, epoch, reason: 'epoch' });
    } else if (typeof from === 'number' && typeof to === 'number') {
      if (seen && seen.seq < to) this.#positions.place(topic, { ...seen, seq: to });
      const lost = typeof count === 'number' ? count : to - from + 1;
      this.#emitter.emit('dropped', { topic, from, to, count: lost, where: 'server' });
    }
  }

  #isNew(topic: string, epoch: string, seq: number): boolean {
    switch (this.#positions.judge(topic, epoch, seq)) {
      case 'repeated':
        return false;
      case 'renumbered':
        this.#emitter.emit('gap', { topic, reason: 'epoch', epoch, ...(seq > 1 ? { from: 1, to: seq - 1 } : {}) });
        return true;
      case 'hole': {
        const from = (this.#positions.get(topic)?.seq ?? 0) + 1;
        this.#emitter.emit('gap', { topic, reason: 'missing', epoch, from, to: seq - 1 });
        return true;
      }
      case 'next':
        return true;
    }
  }

  #dispatch(event: AgentwireEvent, entries: readonly Entry[]): void {
    for (const entry of entries) if (entry.active) entry.handlers.call(event, this.#emitter.report);
    this.#emitter.emitEvent(event);
  }
}
