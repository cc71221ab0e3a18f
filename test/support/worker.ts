import { onTestFinished } from 'vitest';
import type { Clock } from '../../shared/base/clock.ts';
import type { Engine } from '../../shared/engine/engine.ts';
import { createLogger } from '../../shared/observe/log.ts';
import { MetricsPage } from '../../shared/observe/metrics-page.ts';
import type { Agent } from '../../services/worker/agent.ts';
import { builtInAgents } from '../../services/worker/agents/list.ts';
import { Worker } from '../../services/worker/worker.ts';
import { configOf } from './in-process.ts';

export interface WorkerOptions {
  /** Besides those that every build has. */
  agents?: readonly Agent[];
  env?: Record<string, string>;
  clock?: Clock;
}

export interface InProcessWorker {
  readonly worker: Worker;
  readonly page: MetricsPage;
  /** Lines that it logged, as objects. */
  readonly logged: Record<string, unknown>[];
}

/** A worker inside of the test's process, on the store of a gateway or of the test; gone at the end of the test. */
export async function startWorker(engine: Engine, options: WorkerOptions = {}): Promise<InProcessWorker> {
  const { agents = [], env = {}, clock } = options;
  const config = configOf(env);
  const logged: Record<string, unknown>[] = [];
  const log = createLogger(config.logLevel, {}, { write: (line) => void logged.push(JSON.parse(line)) });
  const page = new MetricsPage('0.0.0-test', engine);
  const worker = new Worker({
    config,
    engine,
    log,
    page,
    agents: new Map([...builtInAgents(config), ...agents].map((agent) => [agent.name, agent])),
    ...(clock ? { clock } : {}),
  });
  await worker.start();
  onTestFinished(async () => {
    await worker.stop();
    page.stop();
  });
  return { worker, page, logged };
}
