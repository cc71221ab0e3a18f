import { createRedisBackend, ErrorCode, type ConnectionOptions, type MinimalJob, type RedisQueueBackend } from 'bullmq';
import { fail, ok, type Result } from '../../base/errors.ts';
import type { NewJob } from '../engine.ts';
import type { Keys } from './keys.ts';
import { QueueClient, StoreAway } from './queue-client.ts';
import type { Store } from './store.ts';

/** A consumer that died is noticed after the lease and up to two checks: within 10 s. */
export const leaseMs = 5000;
export const checkEveryMs = 2000;

/** A job on its way to a consumer. */
export interface TakenJob {
  readonly id: string;
  readonly data: string;
  /** How often its work threw until now. */
  readonly faults: number;
}

/** `wakeAt`: when the first of the delayed jobs is due; absent when there is none. */
export interface Taken {
  readonly job?: TakenJob;
  readonly wakeAt?: number;
}

/** The job is gone, or another consumer has it. */
const notOurs: readonly unknown[] = [
  ErrorCode.JobNotExist,
  ErrorCode.JobLockNotExist,
  ErrorCode.JobNotInState,
  ErrorCode.JobLockMismatch,
];

/**
 * The jobs of one queue, by BullMQ's scripts and in its layout. Its classes for queues and workers are not used: they
 * wait without a limit for a store that is away, have connections of their own for each queue, renew what they have
 * lost already, do not say whether a job was added, and cannot lend out a slot.
 */
export class QueueJobs {
  /** Where a consumer waits for news: see queue-bell.ts. */
  readonly bell: string;
  readonly partition: number;
  readonly #store: Store;
  readonly #backend: RedisQueueBackend;

  constructor(name: string, keys: Keys, store: Store) {
    this.partition = keys.partitionOf(name);
    this.#store = store;
    const options = {
      connection: new QueueClient(store, this.partition) as unknown as ConnectionOptions,
      prefix: keys.queue(name),
      skipVersionCheck: true,
      skipWaitingForReady: true,
      lockDuration: leaseMs,
      // Who checks keeps the others from it for so long, and must not keep itself from its next check.
      stalledInterval: checkEveryMs / 2,
      // Jobs are never given up here: whoever adds them counts how often they were begun.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    };
    this.#backend = createRedisBackend(escape(name), options, {});
    this.bell = this.#backend.toKey('marker');
  }

  async add({ id, data, priority = 0, delayMs = 0 }: NewJob): Promise<Result<boolean>> {
    const job = {
      id: jobId(id),
      name: 'job',
      data: JSON.stringify(data),
      // For BullMQ lower is first, and 0 is before all that have a priority at all, and in another line than they.
      opts: { priority: 10 - priority, delay: Math.ceil(delayMs) },
      timestamp: Date.now(),
      progress: 0,
      attemptsMade: 0,
      attemptsStarted: 0,
      stalledCounter: 0,
      failedReason: '',
      returnvalue: '',
    };
    const answer = await attempt(() => this.#backend.addJob(job, job.id));
    return answer.ok ? ok(answer.value !== '') : answer;
  }

  async remove(id: string): Promise<Result<boolean>> {
    const answer = await attempt(() => this.#backend.remove(jobId(id), false));
    return answer.ok ? ok(answer.value === 1) : answer;
  }

  async has(ids: readonly string[]): Promise<Result<boolean[]>> {
    const answer = await this.#store.run(this.partition, (redis, asking) =>
      // EXISTS of many keys only counts them. ASKING is good for the next command only.
      Promise.all(
        ids.map((id) => {
          if (asking) redis.asking().catch(() => undefined);
          return redis.exists(this.#backend.toKey(jobId(id)));
        }),
      ),
    );
    return answer.ok ? ok(answer.value.map((found) => found === 1)) : answer;
  }

  async counts(): Promise<Result<{ waiting: number; delayed: number; running: number }>> {
    const answer = await attempt(() =>
      Promise.all([
        this.#backend.getCounts(['wait', 'prioritized', 'active', 'delayed']),
        this.#backend.getCounts(['delayed'], Date.now() + 1),
      ]),
    );
    if (!answer.ok) return answer;
    const [[first = 0, waiting = 0, running = 0, delayed = 0], [due = 0]] = answer.value;
    return ok({ waiting: first + waiting + due, delayed: Math.max(0, delayed - due), running });
  }

  async take(token: string): Promise<Result<Taken>> {
    return taken(await attempt(() => this.#backend.moveToActive(token)));
  }

  /** The job is done and gone. With `takeNext` the next one comes along, under the same token. */
  async done(id: string, token: string, takeNext: boolean): Promise<Result<Taken>> {
    const job = { id: jobId(id), opts: {} } as MinimalJob;
    return taken(
      await attempt(async () => (await this.#backend.moveToCompleted(job, null, true, token, takeNext)).result),
    );
  }

  /**
   * The job waits again, also without a delay behind those of its priority. BullMQ's own way to put one back leaves
   * consumers asleep when the job has a priority.
   */
  async again(id: string, token: string, delayMs: number, fault: boolean, takeNext: boolean): Promise<Result<Taken>> {
    const options = { skipAttempt: !fault, fetchNext: takeNext };
    return taken(
      await attempt(() =>
        this.#backend.moveToDelayed(jobId(id), Date.now(), Math.max(0, Math.ceil(delayMs)), token, options),
      ),
    );
  }

  /** Gives back those that are not ours any more. */
  async renew(held: readonly { id: string; token: string }[]): Promise<Result<Set<string>>> {
    const ids = held.map(({ id }) => jobId(id));
    const tokens = held.map(({ token }) => token);
    const answer = await attempt(() => this.#backend.extendLocks(ids, tokens, leaseMs));
    return answer.ok ? ok(new Set(answer.value.map(idOf))) : answer;
  }

  /** Brings back the jobs of consumers that died. However many ask, it is looked at most twice in `checkEveryMs`. */
  async recover(): Promise<void> {
    await attempt(() => this.#backend.moveStalledJobsToWait());
  }
}

async function attempt<T>(work: () => Promise<T>): Promise<Result<T>> {
  try {
    return ok(await work());
  } catch (error) {
    if (error instanceof StoreAway) return error.failure;
    if (notOurs.includes((error as { code?: unknown }).code)) return fail('conflict');
    throw error;
  }
}

type Fetched = readonly [({ data: string; attemptsMade: number } | null)?, string?, number?, number?];

function taken(answer: Result<unknown>): Result<Taken> {
  if (!answer.ok) return answer;
  const [job, id, , wakeAt] = (answer.value ?? []) as Fetched;
  if (job && id) {
    return ok({ job: { id: idOf(id), data: JSON.parse(job.data) as string, faults: job.attemptsMade } });
  }
  return ok(wakeAt ? { wakeAt: Number(wakeAt) } : {});
}

/** Never a number, which BullMQ refuses, and never the name of one of its own keys, beside which the job is kept. */
function jobId(id: string): string {
  return `j.${escape(id)}`;
}

function idOf(jobId: string): string {
  return jobId.slice(2).replaceAll('%3A', ':').replaceAll('%25', '%');
}

/** BullMQ builds its keys with colons. */
function escape(text: string): string {
  return text.replaceAll('%', '%25').replaceAll(':', '%3A');
}
