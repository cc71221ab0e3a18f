import type { Service } from '../../shared/base/lifecycle.ts';
import type { Config, ServiceName } from '../../shared/config/options.ts';
import type { Engine } from '../../shared/engine/engine.ts';
import type { Log } from '../../shared/observe/log.ts';
import type { MetricsPage } from '../../shared/observe/metrics-page.ts';
import { Gateway } from './gateway.ts';
import { configOf, engineOf, giveUp, loggerOf, runServices, storeOf } from '../process/process.ts';
import { linkToParent } from './processes/parent-link.ts';
import type { ParentLink } from './processes/parent-link.ts';
import { supervise } from './processes/supervise.ts';
import { NoStart } from './processes/supervisor.ts';
import { packageVersion } from '../process/version.ts';

/** What a service that lives in the gateway's process shares with it. */
export interface Shared {
  readonly config: Config;
  readonly engine: Engine;
  readonly log: Log;
  readonly page: MetricsPage;
}

export interface ServeOptions {
  /** Is told the port. */
  readonly onListening?: (port: number) => void;
  /** A service that serves in the same process, and is there before the first client is. */
  readonly beside?: (shared: Shared) => Promise<Service>;
}

/** One gateway and the store that it works on, as a process or as several. */
export async function serve(service: ServiceName, options: ServeOptions = {}): Promise<void> {
  const config = configOf(service);
  const link = linkToParent();
  const log = link ? loggerOf(service, config).with({ process: link.number }) : loggerOf(service, config);
  try {
    const parent = config.processes > 1 && !link;
    const port = parent ? await supervise(config, log) : await serveAlone(config, log, link, options.beside);
    if (link) link.listening(port);
    else options.onListening?.(port);
  } catch (error) {
    giveUp(service, error, log, error instanceof NoStart ? error.exitCode : 1);
  }
}

async function serveAlone(
  config: Config,
  log: Log,
  link: ParentLink | undefined,
  beside: ServeOptions['beside'],
): Promise<number> {
  const engine = engineOf(config, log);
  const gateway = new Gateway({ config, engine, log, version: packageVersion(), health: link?.health });
  const others = beside ? [await beside({ config, engine, log, page: gateway.metrics })] : [];
  await runServices([storeOf(engine), ...others, gateway], config, log, link?.endings);
  return gateway.port;
}
