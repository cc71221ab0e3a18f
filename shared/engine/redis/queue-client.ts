import { EventEmitter } from 'node:events';
import type { Failure } from '../../base/errors.ts';
import type { Store } from './store.ts';
import { callScript } from './scripts/script.ts';

/** ARGV[1] begins with the prefix of BullMQ's keys and the job's id. */
const addPrelude = `
do
  local job = cmsgpack.unpack(ARGV[1])
  if redis.call('EXISTS', job[1] .. job[2]) == 1 then return '' end
end`;

/**
 * What BullMQ's scripts leave out, in front of them. They do not say whether a job was added or was there already, nor
 * whether there was one to remove. And they leave the bell ringing for a consumer that has looked by itself, which would
 * look once more for each job.
 */
const preludes: Record<string, string> = {
  addPrioritizedJob: addPrelude,
  addDelayedJob: addPrelude,
  removeJob: "if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end",
  // Whoever looks needs no call any more: if it gets a job, BullMQ calls the next one again.
  moveToActive: "redis.call('ZREM', KEYS[11], '0')",
};

/**
 * Its scripts tell a stream of all that happens. Nobody reads it here, and it took a twentieth of what a job costs Redis.
 */
function unheard(lua: string): string {
  return `local function unheard() end\n${lua.replaceAll('rcall("XADD"', 'unheard("XADD"')}`;
}

/** The store did not do it: BullMQ hands that on to whoever asked. */
export class StoreAway extends Error {
  override readonly name = 'StoreAway';
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

interface Script {
  readonly name: string;
  readonly lua: string;
  readonly keys: number;
}

/**
 * The Redis client that BullMQ is given: its scripts go the way of all our commands. So a queue has no connections of its
 * own to add and finish jobs, fails as fast as everything else, and finds its node in a cluster; nothing is sent twice.
 */
export class QueueClient extends EventEmitter {
  readonly status = 'ready';
  readonly isCluster = false;
  readonly options = {};
  readonly #store: Store;
  readonly #partition: number;
  readonly #scripts = new Map<string, Script>();

  constructor(store: Store, partition: number) {
    super();
    this.#store = store;
    this.#partition = partition;
  }

  /** `name` is that of the script and BullMQ's version. */
  defineCommand(name: string, { numberOfKeys, lua }: { numberOfKeys: number; lua: string }): void {
    const prelude = preludes[name.slice(0, name.indexOf(':'))] ?? '';
    this.#scripts.set(name, { name, keys: numberOfKeys, lua: `${prelude}\n${unheard(lua)}` });
  }

  async runCommand(name: string, args: unknown[]): Promise<unknown> {
    const script = this.#scripts.get(name);
    if (!script) throw new Error(`BullMQ has no script ${name}`);
    const answer = await this.#store.run(this.#partition, (redis, asking) => {
      if (!(name in redis)) redis.defineCommand(name, { lua: script.lua });
      return callScript(redis, script, [String(script.keys), ...(args as string[])], asking);
    });
    if (!answer.ok) throw new StoreAway(answer);
    return answer.value;
  }

  /** BullMQ recognises a client by all of these. The connections are the store's; the rest is of no use here. */
  connect(): Promise<void> {
    return Promise.resolve();
  }

  disconnect(): void {}

  readonly duplicate = unused;
  readonly pipeline = unused;
  readonly multi = unused;
  readonly scanStream = unused;
}

function unused(): never {
  throw new Error('BullMQ asked its client for something that a queue of ours does not need');
}
