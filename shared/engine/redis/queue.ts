import { ok, type Result } from '../../base/errors.ts';
import type { Consumer, HeldJob, NewJob, Queue, Verdict } from '../engine.ts';
import { Faults } from '../faults.ts';
import type { Keys } from './keys.ts';
import type { RedisTarget } from './open.ts';
import { QueueBell } from './queue-bell.ts';
import { QueueConsumer } from './queue-consumer.ts';
import { QueueJobs } from './queue-jobs.ts';
import type { Store } from './store.ts';

/** What queues need of the rest of the engine. */
export interface QueuePorts {
  readonly keys: Keys;
  readonly store: Store;
  /** The server that has a partition now, for a connection that waits. */
  target(partition: number): RedisTarget;
  /** It could not be reached there. */
  suspect(): void;
  warn(message: string): void;
}

export class RedisQueues {
  readonly #ports: QueuePorts;
  readonly #queues = new Map<string, RedisQueue>();

  constructor(ports: QueuePorts) {
    this.#ports = ports;
  }

  get(name: string): Queue {
    let queue = this.#queues.get(name);
    if (!queue) this.#queues.set(name, (queue = new RedisQueue(name, this.#ports)));
    return queue;
  }

  stop(): void {
    for (const queue of this.#queues.values()) queue.stop();
  }
}

class RedisQueue implements Queue {
  readonly #ports: QueuePorts;
  readonly #jobs: QueueJobs;
  readonly #faults: Faults;
  readonly #consumers = new Set<QueueConsumer>();

  constructor(name: string, ports: QueuePorts) {
    this.#ports = ports;
    this.#jobs = new QueueJobs(name, ports.keys, ports.store);
    this.#faults = new Faults(name, (message) => ports.warn(message));
  }

  async add(job: NewJob): Promise<Result<{ added: boolean }>> {
    const added = await this.#jobs.add(job);
    return added.ok ? ok({ added: added.value }) : added;
  }

  async remove(id: string): Promise<Result<{ removed: boolean }>> {
    const removed = await this.#jobs.remove(id);
    return removed.ok ? ok({ removed: removed.value }) : removed;
  }

  has(ids: readonly string[]): Promise<Result<boolean[]>> {
    return this.#jobs.has(ids);
  }

  counts(): Promise<Result<{ waiting: number; delayed: number; running: number }>> {
    return this.#jobs.counts();
  }

  async consume(options: { slots: number; work: (job: HeldJob) => Promise<Verdict> }): Promise<Result<Consumer>> {
    const target = (): RedisTarget => this.#ports.target(this.#jobs.partition);
    const consumer = new QueueConsumer({
      ...options,
      jobs: this.#jobs,
      bell: new QueueBell(this.#jobs.bell, target, () => this.#ports.suspect()),
      faults: this.#faults,
      closed: () => this.#consumers.delete(consumer),
    });
    this.#consumers.add(consumer);
    const started = await consumer.start();
    return started.ok ? ok(consumer) : started;
  }

  stop(): void {
    for (const consumer of this.#consumers) consumer.close();
  }
}
