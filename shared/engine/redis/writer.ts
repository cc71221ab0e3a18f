import { fail, ok, type Result } from '../../base/errors.ts';
import type { SendCalls } from './append-batcher.ts';
import { appendScript } from './scripts/append.ts';
import { commitScript } from './scripts/commit.ts';
import { callScript, type RedisScript } from './scripts/script.ts';
import type { Store } from './store.ts';

/** Short enough that two calls in a row, and what waits behind them, are answered within 5 s. */
const replicasTimeoutMs = 1000;

/**
 * What changes topics and records, on connections for nothing else: what waits for replicas (WAIT holds up its whole
 * connection) or reads a lot does not stand in its way. All appends to a partition share one, so they are answered in
 * the order sent.
 */
export class Writer {
  readonly #store: Store;
  readonly #minReplicas: number;
  readonly #append: RedisScript;
  readonly #commit: RedisScript;

  constructor(store: Store, minReplicas: number) {
    this.#store = store;
    this.#minReplicas = minReplicas;
    this.#append = appendScript(store.sharded);
    this.#commit = commitScript(store.sharded);
  }

  callsTo(partition: number): SendCalls {
    return {
      append: (args) => this.#run(partition, this.#append, args),
      commit: (args) => this.#run(partition, this.#commit, args),
    };
  }

  async #run(partition: number, script: RedisScript, args: string[]): Promise<Result<string>> {
    if (this.#minReplicas === 0) {
      return this.#store.run(partition, (redis, asking) => callScript(redis, script, args, asking) as Promise<string>);
    }
    const pair = await this.#store.run(partition, (redis, asking) =>
      Promise.all([
        callScript(redis, script, args, asking) as Promise<string>,
        redis.wait(this.#minReplicas, replicasTimeoutMs),
      ]),
    );
    if (!pair.ok) return pair;
    const [answer, replicas] = pair.value;
    if (replicas >= this.#minReplicas) return ok(answer);
    return fail('unavailable', 'too few replicas have it; the outcome is unknown');
  }
}
