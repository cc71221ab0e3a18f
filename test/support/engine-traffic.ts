import type { Result } from '../../shared/base/errors.ts';
import type { Appended, Engine, LogEvent } from '../../shared/engine/engine.ts';
import { createRedisEngine } from '../../shared/engine/redis/redis-engine.ts';
import { body, count, got, Heard } from '../contracts/engine-bench.ts';

export class Listener extends Heard {
  disturbances = 0;

  override disturbed(): void {
    this.disturbances++;
  }
}

export async function startEngine(
  url: string,
  extra: { minReplicas?: number; partitions?: number; prefix?: string } = {},
): Promise<{ engine: Engine; heard: Listener }> {
  const engine = createRedisEngine({ url, historySize: 100_000, historyTtlMs: 60_000, metaTtlMs: 600_000, ...extra });
  const heard = new Listener();
  engine.log.listen(heard);
  await engine.start();
  return { engine, heard };
}

/** Appends to one topic in waves of ten that nobody waits for, numbered from 0, until told to stop. */
export class Traffic {
  readonly answers: Promise<Result<Appended>>[] = [];
  accepted = 0;
  #on = true;
  readonly #done: Promise<void>;

  constructor(engine: Engine, topic: string) {
    this.#done = this.#run(engine, topic);
  }

  async stop(): Promise<Result<Appended>[]> {
    this.#on = false;
    await this.#done;
    return Promise.all(this.answers);
  }

  async #run(engine: Engine, topic: string): Promise<void> {
    while (this.#on) {
      for (const _ of count(10)) this.answers.push(engine.log.append({ topic, body: body(this.answers.length) }));
      for (const answer of await Promise.all(this.answers.slice(-10))) if (answer.ok) this.accepted++;
      await new Promise((turn) => setImmediate(turn));
    }
  }
}

/** All kept events of a topic. */
export async function everything(engine: Engine, topic: string): Promise<LogEvent[]> {
  const events: LogEvent[] = [];
  for (;;) {
    const page = await got(engine.log.read(topic, { after: events.at(-1)?.seq ?? 0, limit: 1000 }));
    if (page.events.length === 0) return events;
    events.push(...page.events);
  }
}

/** What is wrong with the events, given the answers to the appends: lost, twice, in another order, with a hole. */
export function faultsIn(events: readonly LogEvent[], answers: readonly Result<Appended>[]): string[] {
  const faults: string[] = [];
  const numbers = events.map((event) => (JSON.parse(event.body) as { data: number }).data);
  numbers.forEach((n, i) => {
    if (i > 0 && n <= numbers[i - 1]!) faults.push(`${n} follows ${numbers[i - 1]}`);
  });
  events.forEach((event, i) => {
    if (event.seq !== i + 1) faults.push(`seq ${event.seq} is in place ${i + 1}`);
  });
  answers.forEach((answer, n) => {
    if (answer.ok && numbers[answer.value.seq - 1] !== n) faults.push(`${n} is not at seq ${answer.value.seq}`);
  });
  return faults;
}
