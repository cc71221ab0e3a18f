import { describe, expect, it } from 'vitest';
import { startWorkerProcess } from '../support/gateway-process.ts';
import type { Http } from '../support/in-process.ts';
import { startRun, startRunCluster } from '../support/run-cluster.ts';
import {
  faultsOf,
  faultsOfSaying,
  hasEnded,
  historyOf,
  kindsOf,
  recordOf,
  saidByAttempt,
  whenRun,
  whenSaid,
} from '../support/run-history.ts';
import type { LoggedEvent } from '../support/run-history.ts';

async function cancel(http: Http, invocation: string, reason = 'enough'): Promise<string> {
  const answer = await http('POST', `/v1/runs/${invocation}/cancel`, { reason });
  return answer.status === 200
    ? answer.json<{ state: string }>().state
    : answer.json<{ error: { code: string } }>().error.code;
}

/** Its events, of which the last says that it was cancelled; and it cannot be cancelled again. */
async function cancelled(http: Http, invocation: string): Promise<LoggedEvent[]> {
  const run = await whenRun(http, invocation, hasEnded);
  const events = await historyOf(http, invocation);
  expect(faultsOf(events, run)).toEqual([]);
  expect(events.at(-1)!.data).toEqual({ kind: 'cancelled', reason: 'enough' });
  expect(await cancel(http, invocation)).toBe('conflict');
  return events;
}

/** Whatever a worker still had to say of runs that ended would be there after this. */
async function afterOneMore(http: Http): Promise<void> {
  const { invocation } = await startRun(http, { agent: 'echo', input: 'one two three' });
  await whenRun(http, invocation, hasEnded);
}

describe('a cancel', { timeout: 120_000 }, () => {
  it('ends a run at once that is queued, paused or waits, and one that runs by its signal', async () => {
    const cluster = await startRunCluster({ workers: 1, env: { AGENTWIRE_WORKER_CONCURRENCY: '1' } });
    const { http } = cluster;
    const running = await cluster.runOn(cluster.workers[0]!);
    const queued = await startRun(http, { agent: 'echo', input: 'never said' });
    expect(await cancel(http, queued.invocation)).toBe('cancelled');
    expect(kindsOf(await cancelled(http, queued.invocation))).toEqual(['queued', 'cancelled']);

    expect(await cancel(http, running)).toBe('running');
    expect(kindsOf(await cancelled(http, running))).toEqual(['queued', 'started', 'chunk', 'cancelled']);

    const approval = await startRun(http, { agent: 'approval', input: { name: 'x', args: 1 } });
    await whenRun(http, approval.invocation, ({ state }) => state === 'waiting_approval');
    const countdown = await startRun(http, { agent: 'countdown', input: { from: 1000, intervalMs: 10 } });
    await whenRun(http, countdown.invocation, ({ state }) => state === 'running');
    expect((await http('POST', `/v1/runs/${countdown.invocation}/pause`)).status).toBe(200);
    await whenRun(http, countdown.invocation, ({ state }) => state === 'paused');
    expect(await cancel(http, countdown.invocation)).toBe('paused');
    expect(kindsOf(await cancelled(http, countdown.invocation)).slice(-2)).toEqual(['paused', 'cancelled']);
    expect(await cancel(http, approval.invocation)).toBe('waiting_approval');
    await cancelled(http, approval.invocation);
  });

  it('ends a run whose agent does not heed its signal, and nothing comes of it after', async () => {
    const cluster = await startRunCluster({ workers: 1 });
    const { http } = cluster;
    const run = await cluster.runOn(cluster.workers[0]!, 'deaf');
    expect(await cancel(http, run)).toBe('running');
    const events = await cancelled(http, run);
    await afterOneMore(http);
    expect(await historyOf(http, run)).toEqual(events);
  });

  it('reaches a run whose worker was killed, and it is not begun again', async () => {
    const cluster = await startRunCluster({ workers: 1 });
    const { http } = cluster;
    const run = await cluster.runOn(cluster.workers[0]!);
    await cluster.workers[0]!.kill();
    expect(await cancel(http, run)).toBe('running');
    await startWorkerProcess(cluster.env);
    expect(kindsOf(await cancelled(http, run))).toEqual(['queued', 'started', 'chunk', 'cancelled']);
  });

  it('reaches a run whose worker is frozen, once that is awake or another has the run', async () => {
    const cluster = await startRunCluster({ workers: 1 });
    const { http } = cluster;
    const [worker] = cluster.workers;
    const run = await cluster.runOn(worker!);
    worker!.signal('SIGSTOP');
    expect(await cancel(http, run)).toBe('running');
    worker!.signal('SIGCONT');
    await cancelled(http, run);

    const other = await cluster.runOn(worker!);
    worker!.signal('SIGSTOP');
    expect(await cancel(http, other)).toBe('running');
    await startWorkerProcess(cluster.env);
    const events = await cancelled(http, other);
    worker!.signal('SIGCONT');
    await cluster.runOn(worker!);
    expect(await historyOf(http, other)).toEqual(events);
  });
});

describe('a worker that is told to stop', { timeout: 120_000 }, () => {
  it('ends what fits, and what only waits goes on elsewhere, with the decision that was made', async () => {
    const cluster = await startRunCluster({ workers: 1, env: { AGENTWIRE_DRAIN_MS: '60000' } });
    const { http } = cluster;
    const text = Array.from({ length: 40 }, (_, i) => `${i} `).join('');
    const echoes = await Promise.all(
      Array.from({ length: 8 }, () => startRun(http, { agent: 'echo', input: { text, delayMs: 20 } })),
    );
    const asked = await startRun(http, { agent: 'approval', input: { name: 'x', args: { a: 1 } } });
    const still = await startRun(http, { agent: 'countdown', input: { from: 50, intervalMs: 20 } });
    await whenRun(http, still.invocation, ({ state }) => state === 'running');
    await http('POST', `/v1/runs/${still.invocation}/pause`);
    await whenRun(http, still.invocation, ({ state }) => state === 'paused');
    const { pending } = await whenRun(http, asked.invocation, ({ state }) => state === 'waiting_approval');

    expect(await cluster.replaceWorker(0, 'stop')).toBe(0);
    for (const { invocation } of echoes) {
      const run = await recordOf(http, invocation);
      const events = await historyOf(http, invocation);
      expect([run.state, run.attempt, faultsOf(events, run)]).toEqual(['completed', 1, []]);
      expect(faultsOfSaying(events, run, text)).toEqual([]);
    }
    await whenRun(http, asked.invocation, ({ state, attempt }) => state === 'waiting_approval' && attempt === 2);
    const decision = { call: pending[0]!.call, decision: 'approve', note: 'yes' };
    expect((await http('POST', `/v1/runs/${asked.invocation}/approve`, decision)).status).toBe(200);
    expect((await whenRun(http, asked.invocation, hasEnded)).result).toMatchObject({
      decision: 'approve',
      note: 'yes',
    });
    expect((await recordOf(http, still.invocation)).state).toBe('paused');
    expect((await http('POST', `/v1/runs/${still.invocation}/resume`)).status).toBe(200);
    for (const { invocation } of [asked, still]) {
      const run = await whenRun(http, invocation, hasEnded);
      const events = await historyOf(http, invocation);
      expect([run.state, faultsOf(events, run)]).toEqual(['completed', []]);
    }
  });

  it('hands back what does not fit: it goes on elsewhere, and no takeover is counted', async () => {
    const cluster = await startRunCluster({ workers: 1, env: { AGENTWIRE_DRAIN_MS: '0' } });
    const { http } = cluster;
    // More often than workers may die.
    const { invocation } = await startRun(http, { agent: 'where', input: { attempts: 7 } });
    const pids: string[] = [];
    for (let attempt = 1; attempt < 7; attempt += 1) {
      const { pid } = cluster.workers[0]!;
      await whenSaid(http, invocation, (said) => said.get(attempt) === String(pid));
      pids.push(String(pid));
      expect(await cluster.replaceWorker(0, 'stop')).toBe(0);
    }
    const run = await whenRun(http, invocation, hasEnded);
    const events = await historyOf(http, invocation);
    expect([run.state, run.attempt, faultsOf(events, run)]).toEqual(['completed', 7, []]);
    expect([...saidByAttempt(events).values()]).toEqual([...pids, String(cluster.workers[0]!.pid)]);
  });
});
