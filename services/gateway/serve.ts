import type { Service } from '../../shared/base/lifecycle.ts';
import type { ServiceName } from '../../shared/config/options.ts';
import { Gateway } from './gateway.ts';
import { configOf, engineOf, loggerOf, runServices } from './process.ts';
import { packageVersion } from './version.ts';

/** One gateway and the store that it works on, as a process. `onListening` is told the port. */
export async function serve(service: ServiceName, onListening?: (port: number) => void): Promise<void> {
  const config = configOf(service);
  const log = loggerOf(service, config);
  const engine = engineOf(config, log);
  const store: Service = { name: 'store', start: () => engine.start(), stop: () => engine.stop() };
  const gateway = new Gateway({ config, engine, log, version: packageVersion() });
  try {
    await runServices([store, gateway], config, log);
  } catch (error) {
    log.error('cannot start', { error });
    process.stderr.write(
      `agentwire ${service} cannot start: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exit(1);
  }
  onListening?.(gateway.port);
}
