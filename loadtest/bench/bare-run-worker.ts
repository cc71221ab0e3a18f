import { setTimeout as sleep } from 'node:timers/promises';
import { UnrecoverableError, Worker } from 'bullmq';
import type { Job } from 'bullmq';
import { Redis } from 'ioredis';
import { cancelChannel, queueName } from './bare-run.ts';
import type { Asked } from './bare-run.ts';

/**
 * The control of runs, on the worker's side: BullMQ's own worker, and the plain append script for each event of a run.
 * Run with the port of Redis.
 */
const address = { host: '127.0.0.1', port: Number(process.argv[2]) };
/** As many as a worker of ours has slots. */
const concurrency = 100;

const commands = new Redis({ ...address, enableAutoPipelining: true });
const subscriber = new Redis(address);
commands.defineCommand('append', {
  numberOfKeys: 2,
  lua: `
local seq = redis.call('INCR', KEYS[1])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, seq .. '-0', 'e', ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[1])
return seq`,
});
type Append = (counter: string, stream: string, event: string, channel: string) => Promise<number>;
const append = (commands as unknown as { append: Append }).append.bind(commands);

/** Its events, of which it numbers each by itself: there is nobody else who could. */
function teller(invocation: string): (data: object) => Promise<unknown> {
  let seq = 0;
  const topic = `run.${invocation}`;
  return (data) => {
    const event = { type: 'event', topic, seq: ++seq, epoch: 'abcdefghij', ts: Date.now(), data };
    return append(`${topic}:seq`, `${topic}:log`, JSON.stringify(event), invocation);
  };
}

function chunksOf({ text, from = 0 }: Asked): string[] {
  return text === undefined ? Array.from({ length: from }, (_, i) => `${from - i} `) : text.split(/(?<= )/);
}

/** BullMQ hands over the signal to a function that names it. */
async function work(job: Job<Asked>, _token: string | undefined, signal: AbortSignal | undefined): Promise<void> {
  const tell = teller(job.id ?? '');
  const delayMs = job.data.delayMs ?? job.data.intervalMs ?? 0;
  const told = [tell({ kind: 'started', attempt: 1 })];
  try {
    for (const [index, text] of chunksOf(job.data).entries()) {
      if (index > 0 && delayMs > 0) await sleep(delayMs, undefined, signal ? { signal } : {});
      told.push(tell({ kind: 'chunk', text }));
    }
  } catch {
    await tell({ kind: 'cancelled', reason: '' });
    throw new UnrecoverableError('cancelled');
  }
  told.push(tell({ kind: 'completed', result: '' }));
  await Promise.all(told);
}

const worker = new Worker<Asked>(queueName, work, {
  connection: { ...address, maxRetriesPerRequest: null },
  concurrency,
  removeOnComplete: { count: 0 },
  removeOnFail: { count: 0 },
});
await worker.waitUntilReady();
await subscriber.subscribe(cancelChannel);
subscriber.on('message', (_channel: string, invocation: string) => void worker.cancelJob(invocation));
process.stdout.write('{"port":0}\n');

process.on('SIGTERM', () => process.exit(0));
