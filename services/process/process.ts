import { realClock } from '../../shared/base/clock.ts';
import { startAll } from '../../shared/base/lifecycle.ts';
import type { Service } from '../../shared/base/lifecycle.ts';
import type { Config, ServiceName } from '../../shared/config/options.ts';
import { helpText } from '../../shared/config/help.ts';
import { loadConfig } from '../../shared/config/load-config.ts';
import { createLogger } from '../../shared/observe/log.ts';
import type { Log } from '../../shared/observe/log.ts';
import type { Tracing } from '../../shared/observe/tracing.ts';

/** The settings of this process, or the end of it: `--help` answers and leaves, faults are named all at once. */
export function configOf(service: ServiceName): Config {
  if (process.argv.includes('--help')) {
    process.stdout.write(helpText(service));
    process.exit(0);
  }
  const loaded = loadConfig(process.env, service);
  return loaded.ok ? loaded.config : refuse(service, loaded.faults);
}

/** The end of a process that was set up wrongly. */
export function refuse(service: ServiceName, faults: readonly string[]): never {
  process.stderr.write(`agentwire ${service} cannot start:\n${faults.map((fault) => `  ${fault}\n`).join('')}`);
  process.exit(2);
}

/** The end of one that is set up well, and cannot start all the same. */
export function giveUp(service: ServiceName, error: unknown, log: Log, exitCode = 1): never {
  log.error('cannot start', { error });
  process.stderr.write(
    `agentwire ${service} cannot start: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exit(exitCode);
}

export function loggerOf(service: ServiceName, config: Config, tracing?: Tracing): Log {
  return createLogger(config.logLevel, { service }, undefined, tracing?.fields);
}

/** What a drain may take beyond its time: what a store that is away takes to fail, several times over. Then something is stuck. */
export const overtimeMs = 15_000;

/** Calls `end` when the process is to end, and again when it is to end at once. */
export type Endings = (end: () => void) => void;

export const endOnSignals: Endings = (end) => {
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
};

/** Asked about a fault that nobody caught: true where it was somebody's own, and the process may go on. */
type Takes = (error: unknown) => boolean;
const takers: Takes[] = [];

export function askAboutFaults(takes: Takes): void {
  takers.push(takes);
}

/**
 * Starts the services of this process, and ends it when it is told to: drained, stopped, with 0; at once while they
 * start. Told again, it ends at once with 1, and so it does when the end takes too long. A fault that nobody caught
 * ends it with 1, because what it left behind is not known.
 */
export async function runServices(
  services: readonly Service[],
  config: Config,
  log: Log,
  endings: Endings = endOnSignals,
): Promise<void> {
  process.on('uncaughtException', (error) => {
    if (takers.some((takes) => takes(error))) return;
    log.error('an uncaught fault', { error });
    process.exit(1);
  });
  let stopAll: (() => Promise<void>) | undefined;
  let ending = false;
  const end = async (): Promise<void> => {
    if (ending) process.exit(1);
    ending = true;
    if (!stopAll) {
      // The start may be waiting for a store that is away. A run that was begun already is taken over elsewhere.
      log.info('stopped');
      process.exit(0);
    }
    const giveUpMs = config.drainMs + overtimeMs;
    realClock.later(giveUpMs, () => {
      log.error('the end takes too long', { giveUpMs });
      process.exit(1);
    });
    await Promise.all(services.map(async (service) => service.drain?.(config.drainMs)));
    await stopAll();
    log.info('stopped');
    process.exit(0);
  };
  endings(() => void end());
  stopAll = await startAll(services);
}
