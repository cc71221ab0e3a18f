import { fail, ok, type Result } from '../../base/errors.ts';
import type { CommandConnection } from './connections.ts';
import { appendScript } from './scripts/append.ts';
import { commitScript } from './scripts/commit.ts';

/** Short enough that two calls in a row, and what waits behind them, are answered within 5 s. */
const replicasTimeoutMs = 1000;

/**
 * The connection that changes topics and records, and nothing else: what waits for replicas (WAIT holds up its whole
 * connection) or reads a lot does not stand in its way. All appends share it, so they are answered in the order sent.
 */
export class Writer {
  readonly #connection: CommandConnection;
  readonly #minReplicas: number;
  readonly #append: (args: string[]) => Promise<unknown>;
  readonly #commit: (args: string[]) => Promise<unknown>;

  constructor(connection: CommandConnection, minReplicas: number) {
    this.#connection = connection;
    this.#minReplicas = minReplicas;
    this.#append = connection.define(appendScript);
    this.#commit = connection.define(commitScript);
  }

  append(args: string[]): Promise<Result<string>> {
    return this.#run(this.#append, args);
  }

  commit(args: string[]): Promise<Result<string>> {
    return this.#run(this.#commit, args);
  }

  async #run(script: (args: string[]) => Promise<unknown>, args: string[]): Promise<Result<string>> {
    if (this.#minReplicas === 0) return this.#connection.attempt(() => script(args) as Promise<string>);
    const pair = await this.#connection.attempt((redis) =>
      Promise.all([script(args) as Promise<string>, redis.wait(this.#minReplicas, replicasTimeoutMs)]),
    );
    if (!pair.ok) return pair;
    const [answer, replicas] = pair.value;
    if (replicas >= this.#minReplicas) return ok(answer);
    return fail('unavailable', 'too few replicas have it; the outcome is unknown');
  }
}
