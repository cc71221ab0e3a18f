import { expect, it } from 'vitest';
import type { RunRecord } from '../../shared/protocol/runs.ts';
import { Follower } from '../support/follower.ts';
import { join } from '../support/client.ts';
import type { EventFrame, Format, TestClient } from '../support/client.ts';
import { startRun, startRunCluster } from '../support/run-cluster.ts';
import type { RunCluster } from '../support/run-cluster.ts';
import { hasEnded, recordOf, whenRun } from '../support/run-history.ts';

/** 1,000 for the full measure. */
const runs = Number(process.env['TASK_STORM'] ?? 60);

interface Told {
  kind: string;
  data: { taskId: string; agentId: string; attempt?: number; progress?: number; error?: object; result?: unknown };
}

const kinds = ['created', 'assigned', 'progress', 'completed', 'failed'];

/** What a client has heard of one run as a task. Each kind is a topic, and between topics there is no order. */
function told({ events }: TestClient, invocation: string): Told[] {
  return events
    .filter(({ topic }) => topic.startsWith(`task.${invocation}.`))
    .map(({ topic, data }: EventFrame) => ({ kind: topic.split('.')[2]!, data: data as Told['data'] }))
    .sort((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind));
}

/** The shortest time between two events of its progress, by the clock of the store. */
function closest({ events }: TestClient, invocation: string): number {
  const times = events.filter(({ topic }) => topic === `task.${invocation}.progress`).map(({ ts }) => ts);
  return Math.min(...times.slice(1).map((ts, i) => ts - times[i]!));
}

function wasTold(client: TestClient, invocation: string): boolean {
  const heard = new Set(told(client, invocation).map(({ kind }) => kind));
  return heard.has('created') && heard.has('assigned') && (heard.has('completed') || heard.has('failed'));
}

/** At each gateway, one who watches all tasks. */
async function watchers({ gateways }: RunCluster, formats: Format[]): Promise<TestClient[]> {
  return Promise.all(
    gateways.map(async ({ port }, i) => {
      const client = await join(port, { format: formats[i]! });
      await client.request({ type: 'subscribe', topics: [{ topic: 'task.#', since: { last: 1 } }] });
      return client;
    }),
  );
}

it('runs are seen as tasks at every gateway, from their start to their one end', { timeout: 120_000 }, async () => {
  const cluster = await startRunCluster({ workers: 1 });
  const { http, workers, gateways } = cluster;
  const all = await watchers(cluster, ['json', 'msgpack']);
  const start = async (agent: string, input: unknown) => (await startRun(http, { agent, input })).invocation;
  const ended = (invocation: string) =>
    Promise.all(all.map((client) => client.until(() => wasTold(client, invocation), 'the life of a task')));

  const counted = await start('countdown', { from: 24, intervalMs: 100 });
  const byName = await join(gateways[1]!.port);
  await byName.request({ type: 'subscribe', topics: [{ topic: `task.${counted}.*`, since: 'earliest' }] });
  const failed = await start('fail', { message: 'no luck' });
  const cancelled = await cluster.runOn(workers[0]!);
  await http('POST', `/v1/runs/${cancelled}/cancel`, { reason: 'enough' });
  for (const invocation of [counted, failed, cancelled]) await ended(invocation);
  await byName.until(() => wasTold(byName, counted), 'the life of a task');

  for (const client of [...all, byName]) {
    const events = told(client, counted);
    expect(events.filter(({ kind }) => kind !== 'progress')).toMatchObject([
      { kind: 'created', data: { taskId: counted, agentId: 'countdown' } },
      { kind: 'assigned', data: { attempt: 1 } },
      { kind: 'completed', data: { result: expect.anything() as unknown } },
    ]);
    const progress = events.filter(({ kind }) => kind === 'progress');
    const percents = progress.map(({ data }) => data.progress!);
    expect(percents).toEqual(percents.toSorted((a, b) => a - b));
    // The first a second after the claim: two, unless the machine is slow. The last figure comes with the end.
    expect(percents.length).toBeGreaterThanOrEqual(1);
    expect(closest(client, counted)).toBeGreaterThanOrEqual(1000);
    expect(events.at(-1)!.data.progress).toBe(100);
  }
  for (const client of all) {
    const kindsOf = (invocation: string) => told(client, invocation).map(({ kind }) => kind);
    expect([kindsOf(failed), kindsOf(cancelled)]).toEqual([
      ['created', 'assigned', 'failed'],
      ['created', 'assigned', 'failed'],
    ]);
    expect(told(client, failed).at(-1)!.data.error).toEqual({ code: 'failed_as_asked', message: 'no luck' });
    expect(told(client, cancelled).at(-1)!.data.error).toEqual({ code: 'cancelled', message: 'enough' });
  }
  for (const invocation of [counted, failed, cancelled])
    for (const kind of ['created', 'progress', 'completed', 'x'])
      expect(await byName.refusal({ type: 'publish', topic: `task.${invocation}.${kind}`, data: {} })).toBe(
        'forbidden',
      );

  const takenOver = await start('where', { attempts: 2 });
  await whenRun(http, takenOver, ({ state }) => state === 'running');
  await cluster.replaceWorker(0, 'kill');
  await ended(takenOver);
  for (const client of all)
    expect(told(client, takenOver)).toMatchObject([
      { kind: 'created' },
      { kind: 'assigned', data: { attempt: 1 } },
      { kind: 'assigned', data: { attempt: 2 } },
      { kind: 'completed' },
    ]);
});

it(
  `of ${runs} tasks each is told to end once, as its run did, while a worker is killed`,
  { timeout: 300_000 },
  async () => {
    const cluster = await startRunCluster({ env: { AGENTWIRE_WORKER_CONCURRENCY: String(runs) } });
    const { http, gateways } = cluster;
    const follower = new Follower(
      gateways.map(({ port }) => port),
      ['task.*.completed', 'task.*.failed'],
      'msgpack',
    );
    await follower.connect();
    const started = Array.from({ length: runs }, async (_, i) => {
      const [agent, input] = storm[i % storm.length]!;
      const { invocation } = await startRun(http, { agent, input });
      if (i % 5 === 0) await http('POST', `/v1/runs/${invocation}/cancel`, { reason: 'enough' });
      return invocation;
    });
    await cluster.runOn(cluster.workers[0]!);
    await follower.reconnect();
    await cluster.replaceWorker(0, 'kill');
    await follower.reconnect();
    const records: RunRecord[] = [];
    for (const starting of started) {
      const invocation = await starting;
      await whenRun(http, invocation, hasEnded);
      records.push(await recordOf(http, invocation));
    }
    const told = ({ invocation }: RunRecord): string[] =>
      ['completed', 'failed'].flatMap((kind) =>
        (follower.seen.get(`task.${invocation}.${kind}`) ?? []).map((data) => `${kind} ${codeOf(data)}`),
      );
    await expect
      .poll(() => records.filter((run) => told(run).length === 0).length, { timeout: 60_000, interval: 100 })
      .toBe(0);
    for (const run of records) {
      const code = run.state === 'cancelled' ? 'cancelled' : run.error?.code;
      expect(told(run)).toEqual([run.state === 'completed' ? 'completed ' : `failed ${code}`]);
    }
    expect(new Set(records.map(({ state }) => state)).size).toBe(3);
    expect(follower.faults).toEqual([]);
  },
);

const storm: [agent: string, input: unknown][] = [
  ['echo', 'one two three'],
  ['countdown', { from: 30, intervalMs: 100 }],
  ['fail', { after: 2 }],
  ['echo', { text: 'a b c d e f g h i j', delayMs: 300 }],
];

function codeOf(data: unknown): string {
  return (data as { error?: { code: string } }).error?.code ?? '';
}
