import type { Clock } from '../../../shared/base/clock.ts';
import type { Connections } from './connections.ts';

const lookMs = 20;

/**
 * Lets the clients leave: each is told to come back elsewhere, at a moment of its own within the first half of the
 * time, so that they do not all arrive there at once. What is under way is finished; who is still here at the end is closed.
 */
export async function drain(
  connections: Connections,
  underWay: { readonly operations: number },
  clock: Clock,
  deadlineMs: number,
): Promise<void> {
  const end = clock.now() + deadlineMs;
  for (const connection of connections.all()) connection.goaway(Math.floor((Math.random() * deadlineMs) / 2));
  while (connections.size > 0 && clock.now() < end) await pause(clock);
  // Requests that are under way at the end get their answers, within the time that a store may take to fail.
  const answersBy = clock.now() + 5000;
  while (clock.now() < answersBy && (underWay.operations > 0 || !allIdle(connections))) await pause(clock);
  for (const connection of connections.all()) connection.close('draining');
  while (connections.size > 0 && clock.now() < answersBy) await pause(clock);
}

function allIdle(connections: Connections): boolean {
  for (const connection of connections.all()) if (!connection.idle) return false;
  return true;
}

function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.later(lookMs, resolve));
}
