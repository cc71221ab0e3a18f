import type { Service } from '../../shared/base/lifecycle.ts';
import type { Config, ServiceName } from '../../shared/config/options.ts';
import type { Log } from '../../shared/observe/log.ts';
import { Gateway } from './gateway.ts';
import { configOf, engineOf, loggerOf, runServices } from '../process/process.ts';
import { linkToParent } from './processes/parent-link.ts';
import type { ParentLink } from './processes/parent-link.ts';
import { supervise } from './processes/supervise.ts';
import { packageVersion } from '../process/version.ts';

/** One gateway and the store that it works on, as a process or as several. `onListening` is told the port. */
export async function serve(service: ServiceName, onListening?: (port: number) => void): Promise<void> {
  const config = configOf(service);
  const link = linkToParent();
  const log = link ? loggerOf(service, config).with({ process: link.number }) : loggerOf(service, config);
  try {
    const parent = config.processes > 1 && !link;
    const port = parent ? await supervise(config, log) : await serveAlone(config, log, link);
    if (link) link.listening(port);
    else onListening?.(port);
  } catch (error) {
    log.error('cannot start', { error });
    process.stderr.write(
      `agentwire ${service} cannot start: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exit(1);
  }
}

async function serveAlone(config: Config, log: Log, link: ParentLink | undefined): Promise<number> {
  const engine = engineOf(config, log);
  const store: Service = { name: 'store', start: () => engine.start(), stop: () => engine.stop() };
  const gateway = new Gateway({ config, engine, log, version: packageVersion(), health: link?.health });
  await runServices([store, gateway], config, log, link?.endings);
  return gateway.port;
}
