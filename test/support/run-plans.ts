import { setTimeout as sleep } from 'node:timers/promises';
import { vi } from 'vitest';
import type { RunRecord } from '../../shared/protocol/runs.ts';
import type { Http, HttpAnswer } from './in-process.ts';
import { faultsOfSaying, hasEnded, recordOf, whenRun } from './run-history.ts';
import type { LoggedEvent } from './run-history.ts';
import type { RunFrame } from './run-watchers.ts';

/** A run to be started, what is done to it meanwhile, and what must have come of it; `done` tells what was acknowledged. */
export interface Plan {
  readonly frame: RunFrame;
  readonly meddle?: (http: Http, invocation: string) => Promise<string>;
  readonly check: (run: RunRecord, events: readonly LoggedEvent[], done: string) => string[];
}

/** `longestMs`: how long it may take by itself, and wait for what is done to it. */
export function planFor(index: number, random: () => number, longestMs = 20_000): Plan {
  const upTo = (most: number): number => Math.floor(random() * most);
  const words = 5 + upTo(25);
  const text = Array.from({ length: words }, (_, i) => `${index}.${i} `).join('');
  const echo: RunFrame = { agent: 'echo', input: { text, delayMs: upTo(longestMs / words) }, priority: upTo(10) };
  switch (index % 8) {
    case 0:
      return cancelled(echo, text, upTo(longestMs / 2));
    case 1:
      return paused(words, upTo(longestMs / words), upTo(longestMs / 2));
    case 2:
      return decided(random() < 0.5 ? 'approve' : 'reject', upTo(longestMs / 2));
    case 3:
      return failing({ times: 2, after: 3 }, '1 2 3 ', 'completed');
    case 4:
      return failing({ after: words }, Array.from({ length: words }, (_, i) => `${i + 1} `).join(''), 'failed');
    default:
      return { frame: echo, check: (run, events) => [...isIn(run, 'completed'), ...faultsOfSaying(events, run, text)] };
  }
}

function isIn(run: RunRecord, state: string): string[] {
  return run.state === state
    ? []
    : [`${run.agent} ${run.invocation} is ${run.state} and not ${state}: ${JSON.stringify(run)}`];
}

function cancelled(frame: RunFrame, text: string, afterMs: number): Plan {
  return {
    frame,
    async meddle(http, invocation) {
      await sleep(afterMs);
      return codeOf(await http('POST', `/v1/runs/${invocation}/cancel`, { reason: 'storm' }));
    },
    // A refusal may be that of a request whose first answer was lost.
    check: (run, events, done) => [
      ...(done === 'ok' ? isIn(run, 'cancelled') : []),
      ...(done !== 'ok' && run.state !== 'cancelled' ? isIn(run, 'completed') : []),
      ...faultsOfSaying(events, run, text),
    ],
  };
}

function paused(from: number, intervalMs: number, forMs: number): Plan {
  const text = Array.from({ length: from }, (_, i) => `${from - i} `).join('');
  return {
    frame: { agent: 'countdown', input: { from, intervalMs } },
    async meddle(http, invocation) {
      const asked = codeOf(await http('POST', `/v1/runs/${invocation}/pause`));
      const run = await whenRun(http, invocation, (one) => one.state === 'paused' || hasEnded(one));
      if (hasEnded(run)) return asked;
      await sleep(forMs);
      const before = await recordOf(http, invocation);
      if (before.state !== 'paused') return `not paused any more but ${before.state}`;
      await http('POST', `/v1/runs/${invocation}/resume`);
      return 'ok';
    },
    check: (run, events, done) => [
      ...(/^(ok|conflict)$/.test(done) ? [] : [`${run.invocation} is ${done}`]),
      ...isIn(run, 'completed'),
      ...faultsOfSaying(events, run, text),
    ],
  };
}

function decided(decision: 'approve' | 'reject', afterMs: number): Plan {
  return {
    frame: { agent: 'approval', input: { name: 'storm', args: { decision } } },
    async meddle(http, invocation) {
      await sleep(afterMs);
      return vi.waitFor(
        async () => {
          const { pending } = await whenRun(http, invocation, (one) => one.pending.length > 0);
          const body = { call: pending[0]!.call, decision };
          const answer = codeOf(await http('POST', `/v1/runs/${invocation}/approve`, body));
          if (answer === 'not_found') throw new Error(`the call of ${invocation} is not there any more`);
          return answer;
        },
        { timeout: 60_000, interval: 20 },
      );
    },
    check: (run) => [
      ...isIn(run, 'completed'),
      ...((run.result as { decision?: string } | undefined)?.decision === decision
        ? []
        : [`${run.invocation} lost ${decision}`]),
    ],
  };
}

function failing(input: object, text: string, state: string): Plan {
  return {
    frame: { agent: 'fail', input },
    check: (run, events) => [...isIn(run, state), ...faultsOfSaying(events, run, text)],
  };
}

function codeOf(answer: HttpAnswer): string {
  return answer.status === 200 ? 'ok' : answer.json<{ error: { code: string } }>().error.code;
}
