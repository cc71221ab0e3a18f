import { join } from 'node:path';
import { becomesReady, launch, signal } from './processes.ts';
import type { ClusterProcess, LaunchOrder, Role } from './processes.ts';
import { saveState } from './state.ts';
import type { ClusterState } from './state.ts';

export interface StarterOptions {
  readonly folder: string;
  readonly places: Omit<ClusterState, 'processes'>;
  readonly detached: boolean;
  /** Breaks off the start. */
  readonly broken: AbortSignal | undefined;
}

/** Starts the processes of one cluster, and writes down each of them before the next. */
export class Starter {
  readonly processes: ClusterProcess[] = [];
  readonly #options: StarterOptions;

  constructor(options: StarterOptions) {
    this.#options = options;
    if (!options.detached) process.once('exit', this.#abandon);
  }

  get state(): ClusterState {
    return { ...this.#options.places, processes: this.processes };
  }

  async start(
    role: Role,
    name: string,
    order: Pick<LaunchOrder, 'command' | 'args' | 'url' | 'env'>,
  ): Promise<ClusterProcess> {
    const { folder, detached, broken } = this.#options;
    broken?.throwIfAborted();
    const started = await launch({
      ...order,
      role,
      name,
      log: join(folder, 'logs', `${name}.log`),
      detached,
      // Debian has haproxy where only root's PATH leads.
      env: { ...order.env, PATH: `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin` },
    });
    this.processes.push(started);
    saveState(folder, this.state);
    return started;
  }

  becomesReady(started: ClusterProcess, condition: () => Promise<boolean>): Promise<void> {
    return becomesReady(started, condition, this.#options.broken);
  }

  /** When its processes have ended. */
  letGo(): void {
    process.off('exit', this.#abandon);
  }

  readonly #abandon = (): void => {
    for (const started of this.processes) signal(started, 'SIGKILL');
  };
}
