import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startWorkerProcess } from '../support/gateway-process.ts';
import { startRun, startRunCluster } from '../support/run-cluster.ts';
import { faultsOf, hasEnded, historyOf, kindsOf, saidByAttempt, whenRun, whenSaid } from '../support/run-history.ts';

it('a run that kills its worker each time is failed after five takeovers', async () => {
  const cluster = await startRunCluster({ workers: 1 });
  const { http } = cluster;
  const { invocation } = await startRun(http, { agent: 'deadly', input: null });
  for (let deaths = 0; deaths < 6; deaths += 1) {
    await cluster.workers[0]!.exited;
    await cluster.replaceWorker(0, 'kill');
  }
  const run = await whenRun(http, invocation, hasEnded);
  const events = await historyOf(http, invocation);
  expect([run.state, run.attempt, run.error?.code, faultsOf(events, run)]).toEqual(['failed', 6, 'worker_lost', []]);
  const next = await startRun(http, { agent: 'echo', input: 'well again' });
  expect((await whenRun(http, next.invocation, hasEnded)).state).toBe('completed');
}, 120_000);

it('runs on a worker that is blocked for longer than its lease go on elsewhere, and it is silent about them', async () => {
  const cluster = await startRunCluster({ workers: 1 });
  const { http } = cluster;
  const [blocked] = cluster.workers;
  const folder = mkdtempSync(join(tmpdir(), 'agentwire-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [awake, end] = [join(folder, 'awake'), join(folder, 'end')];
  const beside = await cluster.runOn(blocked!);
  const { invocation } = await startRun(http, { agent: 'blocking', input: { awake, end } });
  await whenSaid(http, invocation, (said) => said.get(1) === '1 begins ');
  const other = await startWorkerProcess(cluster.env);
  await whenSaid(http, invocation, (said) => said.get(2) === '2 begins ');
  await whenSaid(http, beside, (said) => said.get(2) === String(other.pid));
  // It wakes in the middle of what it had to say, and is a worker as any other again.
  writeFileSync(awake, '');
  await cluster.runOn(blocked!);
  writeFileSync(end, '');
  const run = await whenRun(http, invocation, hasEnded);
  const events = await historyOf(http, invocation);
  expect([run.state, run.attempt, faultsOf(events, run)]).toEqual(['completed', 2, []]);
  expect([...saidByAttempt(events)]).toEqual([
    [1, '1 begins '],
    [2, `2 begins ${'2 goes on '.repeat(5)}`],
  ]);
  expect(kindsOf(await historyOf(http, beside))).toEqual(['queued', 'started', 'chunk', 'started', 'chunk']);
}, 120_000);
