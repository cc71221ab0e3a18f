import type { Service } from '../../shared/base/lifecycle.ts';
import type { Config, ServiceName } from '../../shared/config/options.ts';
import type { Engine } from '../../shared/engine/engine.ts';
import type { Log } from '../../shared/observe/log.ts';
import type { MetricsPage } from '../../shared/observe/metrics-page.ts';
import type { Tracing } from '../../shared/observe/tracing.ts';
import { Gateway } from './gateway.ts';
import { configOf, giveUp, loggerOf, runServices } from '../process/process.ts';
import { linkToParent } from './processes/parent-link.ts';
import type { ParentLink } from './processes/parent-link.ts';
import { supervise } from './processes/supervise.ts';
import { NoStart } from './processes/supervisor.ts';
import { engineOf, storeOf } from '../process/store.ts';
import { tracingOf } from '../process/tracing.ts';
import type { ProcessTracing } from '../process/tracing.ts';
import { packageVersion } from '../process/version.ts';

/** What a service that lives in the gateway's process shares with it. */
export interface Shared {
  readonly config: Config;
  readonly engine: Engine;
  readonly log: Log;
  readonly tracing: Tracing | undefined;
  readonly page: MetricsPage;
}

export interface ServeOptions {
  /** Is told the port. */
  readonly onListening?: (port: number) => void;
  /** A service that serves in the same process, and is there before the first client is. */
  readonly beside?: (shared: Shared) => Promise<Service>;
}

const alone =
  'without REDIS_URL this gateway is alone: what is published here is seen nowhere else, and no worker takes its runs';

/** One gateway and the store that it works on, as a process or as several. */
export async function serve(service: ServiceName, options: ServeOptions = {}): Promise<void> {
  const config = configOf(service);
  const link = linkToParent();
  const parent = config.processes > 1 && !link;
  const traces = parent ? undefined : await tracingOf(service);
  const logger = loggerOf(service, config, traces?.tracing);
  const log = link ? logger.with({ process: link.number }) : logger;
  // Right to try it out, and hardly meant where several were started.
  if (service === 'gateway' && config.redisUrl === undefined) log.warn(alone);
  try {
    const port = parent
      ? await supervise(config, log)
      : await serveAlone({ config, log, link, traces }, options.beside);
    if (link) link.listening(port);
    else options.onListening?.(port);
  } catch (error) {
    giveUp(service, error, log, error instanceof NoStart ? error.exitCode : 1);
  }
}

interface Alone {
  readonly config: Config;
  readonly log: Log;
  readonly link: ParentLink | undefined;
  readonly traces: ProcessTracing | undefined;
}

async function serveAlone({ config, log, link, traces }: Alone, beside: ServeOptions['beside']): Promise<number> {
  const tracing = traces?.tracing;
  const engine = engineOf(config, log, tracing);
  const gateway = new Gateway({ config, engine, log, version: packageVersion(), tracing, health: link?.health });
  const others = beside ? [await beside({ config, engine, log, tracing, page: gateway.metrics })] : [];
  const first = traces ? [traces.service(log)] : [];
  await runServices([...first, storeOf(config, engine, log), ...others, gateway], config, log, link?.endings);
  return gateway.port;
}
