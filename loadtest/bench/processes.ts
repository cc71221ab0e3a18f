import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const collector = fileURLToPath(new URL('collect-on-signal.ts', import.meta.url));
/** The kernel counts processor time for /proc in hundredths of a second, on every Linux that Node runs on. */
const ticksPerSecond = 100;
const patienceMs = 15_000;

/** A Node process under measurement. */
export interface ServerProcess {
  readonly pid: number;
  readonly port: number;
  /** A full garbage collection; resolves when it is done. */
  collect(): Promise<void>;
  /** Resolves with the next line of its standard output that fits. */
  said(pattern: RegExp): Promise<RegExpExecArray>;
  stop(): Promise<void>;
}

/** What `npm run gateway` gives to Node; both sides of a measurement get the same. Workers are shipped with other flags. */
function shippedFlags(script: 'gateway' | 'worker'): string[] {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { scripts } = JSON.parse(manifest) as { scripts: Record<string, string> };
  return (scripts[script] ?? '').split(' ').filter((word) => word.startsWith('--'));
}

/** Starts a server that says its port in a JSON line on standard output. */
export async function startServer(
  file: string,
  args: readonly string[],
  env: Record<string, string>,
  profileFolder?: string,
  script: 'gateway' | 'worker' = 'gateway',
): Promise<ServerProcess> {
  const profile = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`];
  return await start([...shippedFlags(script), ...profile], file, args, env);
}

/** As `startServer`, with the flags that an application has: none. The port that it says may be anything. */
export async function startClient(file: string, args: readonly string[]): Promise<ServerProcess> {
  return await start([], file, args, {});
}

async function start(
  flags: readonly string[],
  file: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<ServerProcess> {
  const child = spawn(process.execPath, [...flags, '--expose-gc', '--import', collector, file, ...args], {
    // Settings of whoever runs this would change what is measured.
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const line = lineWaiter(child);
  const port = Number((await line(/"port":(\d+)/))[1]);
  return {
    pid: child.pid!,
    port,
    said: line,
    async collect() {
      const done = line(/^collected$/);
      child.kill('SIGUSR2');
      await done;
    },
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const late = setTimeout(kill, patienceMs);
      if (child.exitCode === null && child.signalCode === null) await ended;
      clearTimeout(late);
      process.off('exit', kill);
    },
  };
}

function lineWaiter(child: ChildProcess): (pattern: RegExp) => Promise<RegExpExecArray> {
  const lines = createInterface({ input: child.stdout! });
  return (pattern) =>
    new Promise((resolve, reject) => {
      const end = (outcome: () => void): void => {
        clearTimeout(late);
        lines.off('line', look);
        child.off('exit', ended);
        outcome();
      };
      const look = (text: string): void => {
        const found = pattern.exec(text);
        if (found) end(() => resolve(found));
      };
      const ended = (): void => end(() => reject(new Error(`${child.spawnargs.join(' ')} ended by itself`)));
      const late = setTimeout(
        () => end(() => reject(new Error(`${child.spawnargs.join(' ')} did not say ${pattern.source}`))),
        patienceMs,
      );
      lines.on('line', look);
      child.on('exit', ended);
    });
}

/** User and system time of all threads of a process since its start, in microseconds. */
export function cpuMicros(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name of the program stands in brackets and may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / ticksPerSecond;
}

/** Counted page by page: the figure in /proc/<pid>/status may be off by hundreds of kilobytes. */
export function residentBytes(pid: number): number {
  const found = /^Rss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'));
  if (!found) throw new Error('this kernel does not tell the memory of a process in smaps_rollup');
  return Number(found[1]) * 1024;
}
