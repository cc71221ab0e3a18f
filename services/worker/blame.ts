import { AsyncLocalStorage } from 'node:async_hooks';
import type { Log } from '../../shared/observe/log.ts';

interface Suspect {
  blame(error: unknown): void;
}

/**
 * Finds out whose a fault is that nobody caught, thrown by a timer or a listener that an agent left behind: it fails that
 * agent's run, and the process and its other runs live on. Only for agents from modules, since to follow what they begin
 * Node has to look at every promise of the process.
 */
export class Blame {
  readonly #storage = new AsyncLocalStorage<Suspect>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  during<T>(suspect: Suspect, work: () => T): T {
    return this.#storage.run(suspect, work);
  }

  /** True where it is somebody's. To be called while the fault is being told of. */
  readonly takes = (error: unknown): boolean => {
    const suspect = this.#storage.getStore();
    if (!suspect) return false;
    this.#log.warn('an agent threw where nobody could catch it', { error });
    suspect.blame(error);
    return true;
  };
}
