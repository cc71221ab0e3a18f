import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { httpOf } from './in-process.ts';
import type { Http } from './in-process.ts';

export interface ServiceProcess {
  readonly port: number;
  readonly pid: number;
  readonly http: Http;
  /** What it wrote, both streams. */
  output(): string;
  signal(name: NodeJS.Signals): void;
  /** Its exit code; null where a signal ended it. */
  readonly exited: Promise<number | null>;
  /** SIGTERM, and its exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

export type GatewayProcess = ServiceProcess;
export type ServiceMain = 'gateway' | 'standalone';

/** A gateway as users run it, ready to serve, on a free port unless the environment names one. Gone at the end of the test. */
export function startGatewayProcess(
  env: Record<string, string> = {},
  service: ServiceMain = 'gateway',
): Promise<GatewayProcess> {
  return startProcess(service, env);
}

/** A worker as users run it, taking runs of the `REDIS_URL` that the environment must name. Gone at the end of the test. */
export function startWorkerProcess(env: Record<string, string>): Promise<ServiceProcess> {
  return startProcess('worker', env);
}

async function startProcess(service: ServiceMain | 'worker', env: Record<string, string>): Promise<ServiceProcess> {
  const main = fileURLToPath(new URL(`../../services/${service}/main.ts`, import.meta.url));
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, [main], {
    // Nothing of the surroundings but this: settings of the one who runs the tests must not change them.
    env: { PATH, PORT: '0', HOST: '127.0.0.1', NODE_NO_WARNINGS: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const abandoned = (): void => void child.kill('SIGKILL');
  process.once('exit', abandoned);
  void exited.then(() => process.off('exit', abandoned));
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  onTestFinished(kill);

  const port = await listening();
  const http = httpOf(`http://127.0.0.1:${port}`);
  while ((await http('GET', '/readyz')).status !== 200) await sleep(10);
  return {
    port,
    pid: child.pid ?? 0,
    http,
    output: () => output,
    signal: (name) => void child.kill(name),
    exited,
    stop: () => {
      child.kill('SIGTERM');
      return exited;
    },
    kill,
  };

  async function listening(): Promise<number> {
    for (;;) {
      const found = /"port":(\d+),"message":"listening"|"message":"listening".*?"port":(\d+)/.exec(output);
      if (found) return Number(found[1] ?? found[2]);
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the ${service} ended:\n${output}`);
      await sleep(10);
    }
  }
}
