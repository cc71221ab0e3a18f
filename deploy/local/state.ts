import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterProcess } from './processes.ts';

/** What another command must know of a cluster to look after it. */
export interface ClusterState {
  /** Of the balancer, over http; a WebSocket has the same host and port. */
  readonly url: string;
  /** The balancer's own page, with its metrics at /metrics. */
  readonly statsUrl: string;
  readonly redisUrl: string;
  /** How long a process may take to end before it is killed. */
  readonly patienceMs: number;
  readonly processes: readonly ClusterProcess[];
}

/** Whole or not at all, so that a command that is cut off leaves nothing that the next one cannot read. */
export function saveState(folder: string, state: ClusterState): void {
  const file = fileIn(folder);
  writeFileSync(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

export function loadState(folder: string): ClusterState | undefined {
  try {
    return JSON.parse(readFileSync(fileIn(folder), 'utf8')) as ClusterState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export function removeState(folder: string): void {
  rmSync(fileIn(folder), { force: true });
}

function fileIn(folder: string): string {
  return join(folder, 'state.json');
}
