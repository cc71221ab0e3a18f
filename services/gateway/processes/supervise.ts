import { once } from 'node:events';
import { createServer } from 'node:net';
import { realClock } from '../../../shared/base/clock.ts';
import type { Config } from '../../../shared/config/options.ts';
import type { Log } from '../../../shared/observe/log.ts';
import { endOnSignals, overtimeMs } from '../../process/process.ts';
import { startChild } from './child.ts';
import { Supervisor } from './supervisor.ts';

/** How long a process that gives up may take for that. */
const killMs = 1000;

/** This process becomes the parent of several that share the port. Resolves with the port when all of them listen. */
export async function supervise(config: Config, log: Log): Promise<number> {
  const { processes: count, port, host, drainMs } = config;
  await mustBeFree(host, port);
  const supervisor = new Supervisor({ count, port, clock: realClock, log, startChild });
  let ending = false;
  endOnSignals(() => {
    if (ending) {
      supervisor.kill();
      process.exit(1);
    }
    ending = true;
    // They give up by themselves; one that cannot even do that is ended.
    realClock.later(drainMs + overtimeMs + killMs, () => supervisor.kill());
    void supervisor.end().then((clean) => process.exit(clean ? 0 : 1));
  });
  return supervisor.start();
}

/** The processes share the port with whoever else wants to, a second broker by mistake among them: asked once, alone. */
async function mustBeFree(host: string, port: number): Promise<void> {
  const server = createServer();
  server.listen({ host, port, exclusive: true });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new Error(`cannot listen on ${host}:${port}: the port is taken, or the address is not of this machine`, {
      cause: error,
    });
  }
  server.close();
  await once(server, 'close');
}
