import { realClock } from '../../../shared/base/clock.ts';
import type { Clock } from '../../../shared/base/clock.ts';
import type { Progress } from '../../../shared/protocol/runs.ts';
import type { Message } from '../../../shared/protocol/sessions.ts';
import type { Agent, AgentContext, AgentOutput, AgentSession, Approval } from '../../../services/worker/agent.ts';
import { claude } from '../../../services/worker/agents/claude/claude.ts';
import { startMessagesApi } from '../../support/messages-api.ts';
import type { MessagesApi } from '../../support/messages-api.ts';

export const apiKey = 'sk-of-the-test';

/** A context of the test's own, and what the agent did with it. */
export class Told {
  readonly usages: unknown[] = [];
  readonly notes: (string | undefined)[] = [];
  readonly asked: { name: string; args: unknown }[] = [];
  readonly logged: unknown[] = [];
  readonly stopping = new AbortController();
  readonly context: AgentContext;

  constructor(input: unknown, parts: { messages?: readonly Message[]; decide?: (args: unknown) => Approval } = {}) {
    const { messages, decide = (args) => ({ approved: true, args }) } = parts;
    const log = (message: string, fields?: unknown): void => void this.logged.push({ message, fields });
    this.context = {
      invocation: 'run-1',
      attempt: 1,
      input,
      metadata: {},
      state: null,
      session: messages && sessionOf(messages),
      signal: this.stopping.signal,
      progress: ({ note }: Progress) => void this.notes.push(note),
      approval: async (call) => {
        this.asked.push(call);
        return decide(call.args);
      },
      checkpoint: () => Promise.reject(new Error('no checkpoints here')),
      pausePoint: () => Promise.resolve(),
      usage: (usage) => void this.usages.push(usage),
      log: { debug: log, info: log, warn: log, error: log },
    };
  }
}

export function said(...turns: [role: string, content: unknown][]): Message[] {
  return turns.map(([role, content], i) => ({ message: `m${i}`, thread: 'main', role, content, at: i }));
}

export function sessionOf(messages: readonly Message[]): AgentSession {
  return { session: 's1', thread: 'main', messages: (limit = 100) => Promise.resolve(messages.slice(-limit)) };
}

export interface Run {
  outputs: AgentOutput[];
  result: unknown;
}

export async function drive(agent: Agent, told: Told, each: (output: AgentOutput) => void = () => {}): Promise<Run> {
  const outputs: AgentOutput[] = [];
  const generator = agent.run(told.context);
  for (;;) {
    const step = await generator.next();
    if (step.done) return { outputs, result: step.value };
    outputs.push(step.value);
    each(step.value);
  }
}

/** The agent as a worker has it, on a Messages API of the test's own. */
export async function claudeOnApi(clock: Clock = realClock): Promise<{ api: MessagesApi; agent: Agent }> {
  const api = await startMessagesApi();
  return { api, agent: claude({ apiKey, baseUrl: api.url, clock }) };
}
