import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import {
  AgentChannelClient,
  AgentwireClient,
  SwarmChannelClient,
  TaskChannelClient,
} from '../../shared/client/index.ts';
import type { Consensus } from '../../shared/client/index.ts';
import { startBalancer } from '../support/balancer.ts';
import { startRunCluster, startStandalone } from '../support/run-cluster.ts';

const agents = 12;
const reports = 15;
const tasks = 12;
const proposals = 6;
const voters = Array.from({ length: 9 }, (_, i) => `v${i}`);

interface Place {
  readonly port: number;
  /** What goes wrong while the channels are at work. */
  readonly weather: (working: () => boolean) => Promise<void>;
}

const places: { on: string; start: () => Promise<Place> }[] = [
  {
    on: 'two gateways, one of which is killed',
    async start() {
      const cluster = await startRunCluster();
      const { balancer } = cluster;
      const weather = async (working: () => boolean): Promise<void> => {
        const replaced = cluster.replaceGateway(0, 'kill');
        for (; working(); await sleep(150)) balancer.cut(0.1);
        await replaced;
      };
      return { port: balancer.port, weather };
    },
  },
  {
    on: 'one process on the memory engine',
    async start() {
      const { port } = await startStandalone();
      const balancer = await startBalancer([port]);
      const weather = async (working: () => boolean): Promise<void> => {
        for (; working(); await sleep(150)) balancer.cut(0.1);
      };
      return { port: balancer.port, weather };
    },
  },
];

it.each(places)(
  'agents, tasks and swarms go on through random cuts, on $on',
  async ({ start }) => {
    const { port, weather } = await start();
    const faults: unknown[] = [];
    const connect = async (i = 0): Promise<AgentwireClient> => {
      const format = i % 2 === 0 ? 'json' : 'msgpack';
      const client = new AgentwireClient({ url: `ws://127.0.0.1:${port}`, WebSocket, format });
      onTestFinished(() => client.close());
      for (const name of ['gap', 'dropped', 'error'] as const) client.on(name, (event) => void faults.push(event));
      await client.connect();
      return client;
    };
    const watching = await connect();
    const seen = new Map<string, number[]>();
    const decided: Consensus[] = [];
    const watcher = new AgentChannelClient(watching);
    watcher.on('status-change', ({ agentId, status, step }) => {
      // What the broker says for one whose connection was cut, and what that one says when it is back, is besides.
      const steps = seen.get(agentId) ?? [];
      if (status !== 'offline' && step !== steps.at(-1)) steps.push(step as number);
      seen.set(agentId, steps);
    });
    const swarmWatcher = new SwarmChannelClient(watching);
    swarmWatcher.on('consensus', (consensus) => void decided.push(consensus));
    await Promise.all([watcher.subscribeToAll(), swarmWatcher.subscribeToAll()]);

    const reporting = Array.from({ length: agents }, async (_, i) => {
      const channel = new AgentChannelClient(await connect(i));
      for (let step = 0; step < reports; step += 1) {
        await channel.reportStatus({ agentId: `a${i}`, status: 'busy', step });
        await sleep(Math.random() * 100);
      }
    });
    const working = Array.from({ length: tasks }, async (_, i) => {
      const [by, other] = [new TaskChannelClient(await connect(i)), new TaskChannelClient(await connect(i + 1))];
      const waiting = other.waitForCompletion(`t${i}`).catch((error: Error) => error.message);
      for (let progress = 0; progress < 100; progress += 10) {
        await by.reportProgress({ taskId: `t${i}`, progress, status: 'running' });
        await sleep(Math.random() * 100);
      }
      if (i % 2 === 0) await by.completed({ taskId: `t${i}`, result: i });
      else await by.failed({ taskId: `t${i}`, error: { message: `no ${i}` } });
      const late = await other.waitForCompletion(`t${i}`).catch((error: Error) => error.message);
      return [await waiting, late];
    });
    const deciding = Array.from({ length: proposals }, async (_, p) => {
      const swarm = new SwarmChannelClient(await connect(p));
      const { proposal } = await insist(() => swarm.propose('s', { proposal: `p${p}`, title: `number ${p}`, voters }));
      const waiting = swarm.waitForConsensus('s', proposal);
      const votes = voters.map(async (voter, i) => {
        const own = new SwarmChannelClient(await connect(i));
        await sleep(Math.random() * 800);
        await insist(() => own.submitVote('s', proposal, i % 3 === p % 3 ? 'no' : 'yes', voter));
      });
      await Promise.all(votes);
      return [await waiting, await swarm.waitForConsensus('s', proposal)];
    });
    const running = Array.from({ length: 4 }, async (_, i) => {
      const client = await connect(i);
      const invocation = await client.run('echo', { text: `run ${i} of them`, delayMs: 50 }).invocation;
      return new TaskChannelClient(client).waitForCompletion(invocation);
    });

    let busy = true;
    const storm = weather(() => busy);
    await Promise.all(reporting);
    const ended = await Promise.all(working);
    const consensus = await Promise.all(deciding);
    const runs = await Promise.all(running);
    busy = false;
    await storm;

    const steps = Array.from({ length: reports }, (_, step) => step);
    await vi.waitFor(
      () =>
        expect(Object.fromEntries(seen)).toEqual(
          Object.fromEntries(Array.from({ length: agents }, (_, i) => [`a${i}`, steps])),
        ),
      { timeout: 20_000 },
    );
    for (const [i, both] of ended.entries()) {
      const end = i % 2 === 0 ? (expect.objectContaining({ result: i }) as unknown) : `no ${i}`;
      expect(both).toEqual([end, end]);
    }
    for (const [early, late] of consensus) expect(early).toEqual(late);
    expect(consensus.map(([each]) => each!.accepted)).toEqual(consensus.map(() => true));
    await vi.waitFor(() => expect(decided).toHaveLength(proposals), { timeout: 20_000 });
    expect(decided.map(({ proposalId }) => proposalId).toSorted()).toEqual(consensus.map((_, p) => `p${p}`));
    expect(runs.map(({ result }) => result)).toEqual(runs.map((_, i) => `run ${i} of them`));
    expect(faults).toEqual([]);
  },
  120_000,
);

/** A vote that is `unavailable` or late is said again; one that was the last to be needed is a `conflict` then. */
async function insist<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    const answer = await ask().catch((error: unknown) => error as Error & { code: string; retryable: boolean });
    if (!(answer instanceof Error)) return answer;
    if (answer.code === 'conflict') return undefined as T;
    if (!answer.retryable) throw answer;
    await sleep(50);
  }
}
