import { onTestFinished } from 'vitest';
import { realClock } from '../../shared/base/clock.ts';
import { Agents } from '../../shared/domain/agents.ts';
import { claim } from '../../shared/domain/runs/holding-claim.ts';
import type { Held } from '../../shared/domain/runs/holding.ts';
import { runParts } from '../../shared/domain/runs/parts.ts';
import type { RunParts } from '../../shared/domain/runs/parts.ts';
import type { Outcome } from '../../shared/domain/runs/run-store.ts';
import type { Engine } from '../../shared/engine/engine.ts';
import type { RunEnd } from '../../shared/protocol/run-events.ts';
import { configOf } from './in-process.ts';

/** A worker without agents of its own: runs do what the test says, and when it says so. */
export class WorkerByHand {
  readonly parts: RunParts;
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.parts = runParts({ engine, clock: realClock, config: configOf({}) });
  }

  async take(invocation: string): Promise<Held> {
    const { store } = this.parts;
    const holding = { engine: this.#engine, store, clock: realClock, maxEventBytes: 1024 * 1024 };
    const claimed = await claim(holding, 'by-hand', invocation, new AbortController().signal, () => true);
    if (!claimed.ok) throw new Error(claimed.message);
    if (claimed.value.is !== 'held') throw new Error(`the run is ${claimed.value.is}`);
    return claimed.value.held;
  }

  async end(held: Held, end: RunEnd, ...messages: Outcome['messages']): Promise<void> {
    const ended = await held.end(end, { messages });
    if (!ended.ok) throw new Error(ended.message);
    const settled = await this.parts.settling.settle(ended.value);
    if (!settled.ok) throw new Error(settled.message);
  }
}

/** Makes the agents known to the gateways, until the end of the test. */
export async function workerByHand(engine: Engine, ...agents: string[]): Promise<WorkerByHand> {
  const known = new Agents(engine.leases, realClock);
  await known.announce(() => ({
    worker: 'by-hand',
    startedAt: 0,
    agents: agents.map((name) => ({ name, description: `what ${name} does` })),
    slots: 1,
    running: 0,
    parked: 0,
  }));
  onTestFinished(() => known.stop());
  return new WorkerByHand(engine);
}
