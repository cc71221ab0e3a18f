import { realClock } from '../../shared/base/clock.ts';
import type { Clock } from '../../shared/base/clock.ts';
import type { Service } from '../../shared/base/lifecycle.ts';
import type { Config } from '../../shared/config/options.ts';
import { createEngine } from '../../shared/engine/create-engine.ts';
import type { EngineSettings } from '../../shared/engine/create-engine.ts';
import type { Engine } from '../../shared/engine/engine.ts';
import { traced } from '../../shared/engine/traced.ts';
import type { Log } from '../../shared/observe/log.ts';
import type { Tracing } from '../../shared/observe/tracing.ts';

/** A Redis that is started at the same time is there by then; whoever starts processes goes on after that. */
export const patienceMs = 30_000;
const everyMs = 500;

/** What time does not mend: a password that is refused, something else at that address, a stranger's certificate. */
const refusal = /\b(WRONGPASS|NOAUTH|NOPERM|RESP type|certificate|altnames)\b/;

export function engineOf(config: Config, log: Log, tracing?: Tracing): Engine {
  const engine = createEngine(settingsOf(config, (message) => log.warn(message)));
  return tracing ? traced(engine, tracing, config.redisUrl === undefined ? 'memory' : 'redis') : engine;
}

/** The engine as the first of a process's services: there before the others, and after them. */
export function storeOf(config: Config, engine: Engine, log: Log): Service {
  return {
    name: 'store',
    start: async () => {
      if (config.redisUrl !== undefined) await reached(() => tryOut(config), realClock, log);
      await engine.start();
    },
    stop: () => engine.stop(),
  };
}

/**
 * Tries until it works or has been tried for long enough, and then throws what went wrong. A name that is not known
 * counts as passing, too: those of containers are not until these have started.
 */
export async function reached(attempt: () => Promise<void>, clock: Clock, log: Log): Promise<void> {
  const until = clock.now() + patienceMs;
  for (let said = false; ; said = true) {
    try {
      return await attempt();
    } catch (error) {
      const { message } = error as Error;
      if (refusal.test(message) || clock.now() >= until) throw error;
      if (!said) log.warn('waiting for the store', { reason: message, patienceMs });
    }
    await new Promise<void>((resolve) => void clock.later(everyMs, resolve));
  }
}

/** With an engine of its own: one that could not start is spent. */
async function tryOut(config: Config): Promise<void> {
  const engine = createEngine(settingsOf(config, () => {}));
  await engine.start();
  await engine.stop();
}

function settingsOf(config: Config, onWarning: (message: string) => void): EngineSettings {
  const { redisUrl, historySize, historyTtlS, metaTtlS, minReplicas } = config;
  return {
    redisUrl,
    historySize,
    historyTtlMs: historyTtlS * 1000,
    metaTtlMs: metaTtlS * 1000,
    minReplicas,
    onWarning,
  };
}
