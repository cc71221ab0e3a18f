import { vi } from 'vitest';
import type { TestContext } from 'vitest';
import { must } from '../../shared/base/assert.ts';
import type { ErrorCode, Result } from '../../shared/base/errors.ts';
import type { Append, Appended, Engine, LiveBatch, LogEvent } from '../../shared/engine/engine.ts';

export interface EngineUnderTest {
  /** Not started yet, on an empty store. It keeps 1000 events of a topic where an append does not say how many. */
  engine: Engine;
  /** Another engine on the same store, not started either. Only where a store can be shared. */
  twin?(): Promise<Engine>;
  /** Only where the store's clock is driven by hand. */
  advance?(ms: number): void;
  /** Called once, after every engine was stopped. */
  close(): Promise<void>;
}

/** What one engine's listener was told. */
export class Heard {
  readonly calls: LiveBatch[][] = [];

  live(batches: LiveBatch[]): void {
    this.calls.push(batches);
  }

  disturbed(): void {}

  batches(topic: string): LiveBatch[] {
    return this.calls.flat().filter((batch) => batch.topic === topic);
  }

  events(topic: string): LogEvent[] {
    return this.batches(topic).flatMap(({ seq, epoch, ts, bodies }) =>
      bodies.map((body, i) => ({ topic, seq: seq === 0 ? 0 : seq + i, epoch, ts, body })),
    );
  }

  seqs(topic: string): number[] {
    return this.events(topic).map((event) => event.seq);
  }
}

/** A started engine with its listener, for one test. */
export class Bench {
  readonly engine: Engine;
  readonly heard: Heard;
  readonly #under: EngineUnderTest;
  readonly #running: Engine[];

  private constructor(under: EngineUnderTest, heard: Heard) {
    this.engine = under.engine;
    this.heard = heard;
    this.#under = under;
    this.#running = [under.engine];
  }

  static async open(make: () => Promise<EngineUnderTest>): Promise<Bench> {
    const under = await make();
    return new Bench(under, await begin(under.engine));
  }

  /** Ends the test as skipped where the store cannot be shared. */
  async twin(context: TestContext): Promise<{ engine: Engine; heard: Heard }> {
    const engine = await this.#under.twin?.();
    if (!engine) return context.skip('this engine does not share its store');
    const heard = await begin(engine);
    this.#running.push(engine);
    return { engine, heard };
  }

  /** Ends the test as skipped where the clock cannot be driven. */
  clock(context: TestContext): (ms: number) => void {
    const under = this.#under;
    if (!under.advance) return context.skip('the clock of this store cannot be driven by hand');
    return (ms) => under.advance?.(ms);
  }

  /** For what takes some milliseconds of the store's time; whoever calls it waits for its effect afterwards. */
  pass(ms: number): void {
    this.#under.advance?.(ms);
  }

  async stop(): Promise<void> {
    for (const engine of this.#running.splice(0)) await engine.stop();
  }

  async close(): Promise<void> {
    await this.stop();
    await this.#under.close();
  }

  append(topic: string, rest: Partial<Append> = {}): Promise<Appended> {
    return got(this.engine.log.append({ topic, body: body(0), ...rest }));
  }

  /** One after the other; their data are 1, 2, 3 … */
  async appendMany(topic: string, count: number, rest: Partial<Append> = {}): Promise<Appended[]> {
    const appended: Appended[] = [];
    for (let n = 1; n <= count; n++) appended.push(await this.append(topic, { ...rest, body: body(n) }));
    return appended;
  }

  async head(topic: string, since?: number) {
    const ask = since === undefined ? { topic } : { topic, since };
    const { heads } = await got(this.engine.log.heads([ask]));
    return must(heads[0]);
  }

  async seqs(topic: string, range: { after?: number; limit?: number; reverse?: boolean } = {}): Promise<number[]> {
    const { events } = await got(this.engine.log.read(topic, { limit: 1000, ...range }));
    return events.map((event) => event.seq);
  }
}

async function begin(engine: Engine): Promise<Heard> {
  const heard = new Heard();
  engine.log.listen(heard);
  await engine.start();
  return heard;
}

export function body(data: unknown): string {
  return JSON.stringify({ data });
}

export async function got<T>(answer: Promise<Result<T>>): Promise<T> {
  const result = await answer;
  if (!result.ok) throw new Error(`expected a value, got ${result.code}: ${result.message}`);
  return result.value;
}

export async function codeOf(answer: Promise<Result<unknown>>): Promise<ErrorCode | 'ok'> {
  const result = await answer;
  return result.ok ? 'ok' : result.code;
}

/** Waits until the assertions in `check` hold. */
export async function until(check: () => void | Promise<void>, interval = 4): Promise<void> {
  await vi.waitFor(check, { timeout: 15_000, interval });
}

export function count(upTo: number, from = 1): number[] {
  return Array.from({ length: upTo - from + 1 }, (_, i) => from + i);
}
