import { fail } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import { through } from './runs-bench.ts';

/** The store as a process sees it that dies: after so many changes nothing reaches it, and of the last one perhaps no answer comes. */
export class Dying {
  readonly engine: Engine;
  /** It was alive to the end. */
  survived = true;
  #left: number;
  readonly #lastIsMute: boolean;

  constructor(engine: Engine, changes: number, lastIsMute: boolean) {
    this.#left = changes;
    this.#lastIsMute = lastIsMute;
    const { records } = engine;
    this.engine = through(engine, {
      records: {
        read: (home, keys) => this.#reads(() => records.read(home, keys)),
        page: (home, list, range) => this.#reads(() => records.page(home, list, range)),
        commit: (home, change) => this.#changes(() => records.commit(home, change)),
      },
      queue: (name) => {
        const queue = engine.queue(name);
        return {
          add: (job) => this.#changes(() => queue.add(job)),
          remove: (id) => this.#changes(() => queue.remove(id)),
          has: (ids) => this.#reads(() => queue.has(ids)),
          counts: () => this.#reads(() => queue.counts()),
          consume: (options) => queue.consume(options),
        };
      },
    });
  }

  #reads<T>(call: () => Promise<Result<T>>): Promise<Result<T>> {
    return this.survived ? call() : Promise.resolve(fail('unavailable'));
  }

  async #changes<T>(call: () => Promise<Result<T>>): Promise<Result<T>> {
    if (this.#left === 0) this.survived = false;
    if (!this.survived) return fail('unavailable');
    this.#left -= 1;
    if (this.#left > 0 || !this.#lastIsMute) return call();
    this.survived = false;
    await call();
    return fail('unavailable');
  }
}
