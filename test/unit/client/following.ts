import type { AgentRun, AgentRunEvent } from '../../../shared/client/index.ts';
import { codeOf } from './harness.ts';
import type { Harness } from './harness.ts';

export interface Told {
  events: AgentRunEvent[];
  /** In short: kinds and what is said. */
  said: () => string[];
  /** How the loop ended. */
  over: Promise<string>;
}

export function loop(run: AsyncIterable<AgentRunEvent>): Told {
  const events: AgentRunEvent[] = [];
  const over = (async () => {
    for await (const event of run) events.push(event);
  })();
  return { events, over: codeOf(over), said: () => events.map(inShort) };
}

function inShort(event: AgentRunEvent): string {
  if (event.kind === 'gap') return `gap ${event.reason} ${event.from ?? ''}-${event.to ?? ''}`;
  return event.kind === 'chunk' ? event.text : event.kind;
}

export const framesOf = (made: Harness, type: string): Record<string, unknown>[] =>
  made.server.sockets.flatMap((socket) => socket.received).filter((frame) => frame['type'] === type);

export async function begun(made: Harness): Promise<AgentRun> {
  const run = made.client.run('echo', 'in');
  await made.quiet();
  return run;
}

export async function cut(made: Harness, ms = 1000): Promise<void> {
  made.server.socket!.cut();
  await made.pass(ms);
}

/** What is asked for in between arrives. */
export async function untilQuiet(made: Harness, done: Promise<unknown>): Promise<void> {
  let over = false;
  void done.then(() => (over = true));
  while (!over) await made.quiet();
}
