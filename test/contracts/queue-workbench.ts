import { expect } from 'vitest';
import type { Consumer, HeldJob, Queue, Verdict } from '../../shared/engine/engine.ts';
import { got, until } from './engine-bench.ts';

/** A consumer whose work ends when the test says so. */
export class Workbench {
  /** The ids of all jobs that were begun, in that order. */
  readonly begun: string[] = [];
  readonly #onIt = new Map<string, { job: HeldJob; end: (verdict: Verdict) => void; fail: (error: Error) => void }>();
  #consumer: Consumer | undefined;

  static async at(queue: Queue, slots = 1): Promise<Workbench> {
    const bench = new Workbench();
    const work = (job: HeldJob): Promise<Verdict> => {
      bench.begun.push(job.id);
      return new Promise((end, fail) => bench.#onIt.set(job.id, { job, end, fail }));
    };
    bench.#consumer = await got(queue.consume({ slots, work }));
    return bench;
  }

  job(id: string): HeldJob {
    const found = this.#onIt.get(id);
    if (!found) throw new Error(`nobody works on ${id}`);
    return found.job;
  }

  end(id: string, verdict: Verdict = 'done'): void {
    this.#onIt.get(id)?.end(verdict);
    this.#onIt.delete(id);
  }

  fail(id: string): void {
    this.#onIt.get(id)?.fail(new Error('a fault of the test'));
    this.#onIt.delete(id);
  }

  /** Within an hour, unless the test says otherwise. */
  stop(deadlineMs = 3_600_000): Promise<void> {
    return this.#consumer!.stop(deadlineMs);
  }

  async began(...ids: string[]): Promise<void> {
    await until(() => expect(this.begun).toEqual(ids));
  }
}
