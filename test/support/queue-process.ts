import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export interface QueueProcess {
  /** What it did: `ready`, `begun a`, `lost a`. */
  readonly lines: string[];
  signal(name: NodeJS.Signals): void;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/** A consumer in a process of its own, which begins jobs of a queue and never ends one. Gone with the test. */
export function startQueueProcess(url: string, slots: number, queue = 'work'): QueueProcess {
  const main = fileURLToPath(new URL('queue-process-main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, url, String(slots), queue], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines: string[] = [];
  let rest = '';
  child.stdout.on('data', (text: Buffer) => {
    const parts = (rest + text.toString()).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  onTestFinished(kill);
  return { lines, signal: (name) => void child.kill(name), kill };
}
