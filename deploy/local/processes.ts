import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export type Role = 'redis' | 'gateway' | 'worker' | 'balancer';

/** A process of the cluster, described so that a later command finds it again. */
export interface ClusterProcess {
  readonly role: Role;
  readonly name: string;
  readonly pid: number;
  /** When it began, in the system's own words: by now, its pid may be another's. */
  readonly born: string;
  readonly url: string;
  readonly log: string;
}

export interface LaunchOrder extends Pick<ClusterProcess, 'role' | 'name' | 'url' | 'log'> {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** It outlives the process that starts it, and the terminal. */
  readonly detached: boolean;
}

const startPatienceMs = 60_000;
const pollMs = 20;

/** Starts it; whether it is ready is another question. Both of its outputs go to its log. */
export async function launch(order: LaunchOrder): Promise<ClusterProcess> {
  const { role, name, url, log, command, args, env, detached } = order;
  const output = openSync(log, 'w');
  const child = spawn(command, args, { env, detached, stdio: ['ignore', output, output] });
  closeSync(output);
  // Read before the event loop can take note of an early end, after which the system knows nothing of it any more.
  const born = child.pid === undefined ? '' : (bornAt(child.pid) ?? '');
  child.unref();
  try {
    await once(child, 'spawn');
  } catch (error) {
    throw new Error(`${command} could not be started; is it installed?`, { cause: error });
  }
  return { role, name, pid: child.pid ?? 0, born, url, log };
}

export function isRunning({ pid, born }: ClusterProcess): boolean {
  return bornAt(pid) === born;
}

/** Resolves when the condition holds; one that throws does not hold yet. Fails with the end of the log of the process. */
export async function becomesReady(
  process: ClusterProcess,
  condition: () => Promise<boolean>,
  broken?: AbortSignal,
): Promise<void> {
  const until = performance.now() + startPatienceMs;
  while (performance.now() < until) {
    broken?.throwIfAborted();
    if (!isRunning(process)) throw new Error(`${process.name} ended while it started\n${tailOf(process)}`);
    if (await condition().catch(() => false)) return;
    await sleep(pollMs);
  }
  throw new Error(`${process.name} was not ready after ${startPatienceMs / 1000} s\n${tailOf(process)}`);
}

/** False where the process took no notice within its time, and was killed. Resolves when it is gone. */
export async function end(process: ClusterProcess, patienceMs: number): Promise<boolean> {
  signal(process, 'SIGTERM');
  const until = performance.now() + patienceMs;
  while (isRunning(process) && performance.now() < until) await sleep(pollMs);
  if (!isRunning(process)) return true;
  signal(process, 'SIGKILL');
  while (isRunning(process)) await sleep(pollMs);
  return false;
}

/** Reaches this very process, or nobody. */
export function signal(target: ClusterProcess, name: NodeJS.Signals): void {
  if (!isRunning(target)) return;
  try {
    process.kill(target.pid, name);
  } catch (error) {
    // It ended in between.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Undefined for one that has ended, whether or not its parent has taken note. */
function bornAt(pid: number): string | undefined {
  // To the second only, where there is no /proc.
  if (process.platform !== 'linux') {
    return spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim() || undefined;
  }
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name of the program stands in brackets and may hold spaces; the state is the first field after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

function tailOf({ log }: ClusterProcess): string {
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-20);
  return `${log} ends with:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
