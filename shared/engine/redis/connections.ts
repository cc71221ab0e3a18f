import type { Redis } from 'ioredis';
import { fail, ok, type Failure, type Result } from '../../base/errors.ts';
import { openForGood, tearDown, timeoutOf, type RedisTarget } from './open.ts';
import { codeOfRefusal } from './refusals.ts';

/** `asking`: the command must be preceded by ASKING, because its slot is on the way to this node. */
export type Work<T> = (redis: Redis, asking: boolean) => Promise<T>;

export interface CommandHooks {
  warn(message: string): void;
  /** It answered that it will not; gives back what to tell whoever asked. */
  refused(where: string, message: string): Failure;
  /** The connection is there (again); with what `INFO server` says of it. */
  connected(where: string, info: ServerInfo): void;
  /** It fell, or could not be made once more. */
  lost?(): void;
}

export interface ServerInfo {
  runId: string;
  version: string;
}

/** A connection for commands that comes back by itself. While it is away, every call fails at once. */
export class CommandConnection {
  readonly #redis: Redis;
  readonly #target: RedisTarget;
  readonly #hooks: CommandHooks;
  #ready = false;
  #met = false;
  #gathering = false;
  #lastError = '';

  constructor(target: RedisTarget, hooks: CommandHooks) {
    this.#hooks = hooks;
    this.#target = target;
    this.#redis = openForGood(target, () => this.#met);
    this.#redis.on('error', (error: Error) => (this.#lastError = error.message));
    this.#redis.on('ready', () => void this.#greet());
    this.#redis.on('close', () => {
      if (this.#ready) hooks.warn(`the connection to Redis at ${target.where} is lost`);
      this.#ready = false;
      hooks.lost?.();
    });
  }

  ready(): boolean {
    return this.#ready;
  }

  /** Was it ever ready? One that was not may only be on its way. */
  met(): boolean {
    return this.#met;
  }

  async start(): Promise<void> {
    try {
      await this.#redis.connect();
    } catch (error) {
      this.stop();
      throw new Error(`Redis at ${this.#target.where} cannot be reached: ${this.#lastError || String(error)}`, {
        cause: error,
      });
    }
    this.#ready = true;
  }

  /** As `start`, for somebody who does not wait: it goes on trying. */
  begin(): void {
    this.#redis.connect().catch(() => undefined);
  }

  stop(): void {
    this.#ready = false;
    this.#redis.removeAllListeners('close');
    tearDown(this.#redis);
  }

  /**
   * A call's outcome as a value. Whatever went wrong, the caller cannot know whether Redis did it, unless it looks at
   * what Redis answered instead: `refused` gets that, and telling of it is then its business.
   */
  async attempt<T>(work: Work<T>, asking = false, refused?: (message: string) => void): Promise<Result<T>> {
    if (!this.#ready) return fail('unavailable');
    this.#gather();
    try {
      return ok(await work(this.#redis, asking));
    } catch (error) {
      const { name, message } = error as Error;
      if (name !== 'ReplyError' || !refused) return this.#failed(error);
      refused(message);
      return fail('unavailable');
    }
  }

  /** What is sent in one turn goes out in one system call, and is read by Redis in one. */
  #gather(): void {
    const { stream } = this.#redis;
    if (this.#gathering) return;
    this.#gathering = true;
    stream.cork();
    process.nextTick(() => {
      this.#gathering = false;
      stream.uncork();
    });
  }

  #failed(error: unknown): Failure {
    const { name, message } = error as Error;
    if (name === 'ReplyError') {
      // Sentinels made another server the master and could not cut our connection to this one.
      if (codeOfRefusal(message) === 'READONLY') this.#startAfresh();
      return this.#hooks.refused(this.#target.where, message);
    }
    if (message === 'Command timed out' && this.#ready) {
      // Whatever waits behind a command that got no answer would wait as long.
      this.#hooks.warn(`Redis at ${this.#target.where} has not answered for ${timeoutOf(this.#target)} ms`);
      this.#startAfresh();
    }
    return fail('unavailable');
  }

  #startAfresh(): void {
    this.#ready = false;
    tearDown(this.#redis, true);
  }

  async #greet(): Promise<void> {
    this.#ready = true;
    this.#met = true;
    try {
      const info = await this.#redis.info('server');
      const field = (name: string): string => new RegExp(`^${name}:(.*?)\\s*$`, 'm').exec(info)?.[1] ?? '';
      this.#hooks.connected(this.#target.where, { runId: field('run_id'), version: field('redis_version') });
    } catch (error) {
      this.#failed(error);
    }
  }
}
