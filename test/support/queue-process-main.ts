import { createRedisEngine } from '../../shared/engine/redis/redis-engine.ts';

const [url = '', slots, queue = ''] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const engine = createRedisEngine({ url, historySize: 1000, historyTtlMs: 60_000, metaTtlMs: 600_000 });
engine.log.listen({ live: () => undefined, disturbed: () => undefined });
await engine.start();
const consumer = await engine.queue(queue).consume({
  slots: Number(slots),
  work(job) {
    say(`begun ${job.id}`);
    job.lost.addEventListener('abort', () => say(`lost ${job.id}`));
    return new Promise(() => undefined);
  },
});
say(consumer.ok ? 'ready' : consumer.code);
