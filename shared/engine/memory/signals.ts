import { ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Signals } from '../engine.ts';
import { NextTurn } from './next-turn.ts';

/** What one turn may send; what is over it is lost, as a signal may be. */
const mostPerTurn = 65_536;

interface Subscription {
  readonly handler: (payload: string) => void;
}

/** Signals of a process to itself: in a later turn all the same, so that no sender ever runs a handler. */
export class MemorySignals implements Signals {
  readonly #nextTurn = new NextTurn(() => this.#handOver());
  readonly #subscriptions = new Map<string, Set<Subscription>>();
  #sent: { name: string; payload: string }[] = [];

  send(name: string, payload: string): void {
    if (!this.#subscriptions.has(name) || this.#sent.length >= mostPerTurn) return;
    this.#sent.push({ name, payload });
    this.#nextTurn.ask();
  }

  on(name: string, handler: (payload: string) => void): Promise<Result<() => void>> {
    const subscription = { handler };
    let subscriptions = this.#subscriptions.get(name);
    if (!subscriptions) this.#subscriptions.set(name, (subscriptions = new Set()));
    subscriptions.add(subscription);
    return Promise.resolve(ok(() => this.#remove(name, subscription)));
  }

  stop(): void {
    this.#nextTurn.cancel();
    this.#sent = [];
    this.#subscriptions.clear();
  }

  #remove(name: string, subscription: Subscription): void {
    const subscriptions = this.#subscriptions.get(name);
    subscriptions?.delete(subscription);
    if (subscriptions?.size === 0) this.#subscriptions.delete(name);
  }

  #handOver(): void {
    const sent = this.#sent;
    this.#sent = [];
    for (const { name, payload } of sent) {
      for (const { handler } of this.#subscriptions.get(name) ?? []) handler(payload);
    }
  }
}
