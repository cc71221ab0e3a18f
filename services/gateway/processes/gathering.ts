import type { Clock } from '../../../shared/base/clock.ts';
import { addCounts, mergedMetrics } from '../../../shared/observe/merge-metrics.ts';
import type { MetricsSnapshot } from '../../../shared/observe/merge-metrics.ts';
import type { Child } from './child.ts';
import type { FromChild, Question } from './messages.ts';

const patienceMs = 1000;

type Told = Extract<FromChild, { kind: 'told' }>;

/** Asks all processes the same, and makes one answer of theirs. */
export class Gathering {
  readonly #clock: Clock;
  /** Those that listen, with the metrics that each told last. */
  readonly #members = new Map<Child, MetricsSnapshot>();
  /** Questions under way: whom they still wait for. */
  readonly #waiting = new Map<number, { missing: Map<Child, (told: Told | undefined) => void> }>();
  #lastId = 0;
  /** What processes that are gone had counted. */
  #past: Promise<MetricsSnapshot> = Promise.resolve([]);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  join(child: Child): void {
    this.#members.set(child, []);
  }

  leave(child: Child): void {
    const last = this.#members.get(child);
    this.#members.delete(child);
    if (last) this.#past = this.#past.then((past) => addCounts(past, last));
    for (const { missing } of this.#waiting.values()) missing.get(child)?.(undefined);
  }

  told(child: Child, told: Told): void {
    if (told.snapshot && this.#members.has(child)) this.#members.set(child, told.snapshot);
    this.#waiting.get(told.id)?.missing.get(child)?.(told);
  }

  /** `ready` when so many are. */
  async status(count: number): Promise<string> {
    const answers = await this.#ask('status');
    if (this.#members.size < count) return 'a process is missing';
    for (const told of answers) {
      if (told?.status !== 'ready') return told?.status ?? 'a process does not answer';
    }
    return 'ready';
  }

  /** One that does not answer in time is shown as it was the last time, lest the sums fall. */
  async metrics(): Promise<string> {
    await this.#ask('metrics');
    return mergedMetrics([await this.#past, ...this.#members.values()]);
  }

  async #ask(question: Question): Promise<(Told | undefined)[]> {
    const id = ++this.#lastId;
    const missing = new Map<Child, (told: Told | undefined) => void>();
    this.#waiting.set(id, { missing });
    const answers = [...this.#members.keys()].map(
      (child) =>
        new Promise<Told | undefined>((resolve) => {
          missing.set(child, resolve);
          child.send({ kind: 'tell', id, question });
        }),
    );
    const cancel = this.#clock.later(patienceMs, () => {
      for (const resolve of missing.values()) resolve(undefined);
    });
    const told = await Promise.all(answers);
    cancel();
    this.#waiting.delete(id);
    return told;
  }
}
