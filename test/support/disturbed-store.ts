import { fail } from '../../shared/base/errors.ts';
import type { Result } from '../../shared/base/errors.ts';
import type { Engine } from '../../shared/engine/engine.ts';

/**
 * How the store answers those who change something. Each but the first says `unavailable`: `away` and nothing happens,
 * `mute` and it has happened, `late` and it will happen at some time, perhaps after it was asked for again.
 */
export type Mood = 'fine' | 'away' | 'mute' | 'late';

export interface Disturbed {
  log: Pick<Engine['log'], 'append'>;
  records: Engine['records'];
}

/** Stands between a worker and a store that works. */
export class DisturbedStore {
  mood: Mood = 'fine';
  #late: (() => Promise<unknown>)[] = [];

  around({ log, records }: Engine): Disturbed {
    return {
      log: { append: (event) => this.#change(() => log.append(event)) },
      records: {
        page: (home, list, range) => records.page(home, list, range),
        read: (home, keys) => (this.mood === 'fine' ? records.read(home, keys) : Promise.resolve(fail('unavailable'))),
        commit: (home, change) => this.#change(() => records.commit(home, change)),
      },
    };
  }

  async arrive(): Promise<void> {
    const late = this.#late;
    this.#late = [];
    for (const call of late) await call();
  }

  async #change<T>(call: () => Promise<Result<T>>): Promise<Result<T>> {
    if (this.mood === 'fine') return call();
    if (this.mood === 'mute') await call();
    if (this.mood === 'late') this.#late.push(call);
    return fail('unavailable');
  }
}
