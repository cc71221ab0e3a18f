import { expect, onTestFinished, test } from 'vitest';
import {
  AgentChannelClient,
  AgentChannelServer,
  TaskChannelClient,
  TaskChannelServer,
  TaskError,
} from '../../../shared/client/index.ts';
import type { AgentwireClient } from '../../../shared/client/index.ts';
import { ManualClock } from '../../../shared/base/clock.ts';
import { until, world } from './channel-world.ts';
import { codeOf } from './harness.ts';

const busy = { agentId: 'a', status: 'busy' };

test('an agent tells of itself, and whoever listens hears it by name and by agent', async () => {
  const { connect } = await world();
  const agent = new AgentChannelClient(await connect());
  const watcher = new AgentChannelClient(await connect());
  const heard: [string, unknown][] = [];
  for (const name of ['status-change', 'health-update', 'metrics-update', 'log-entry', 'status-change:a-1'] as const) {
    watcher.on(name, (data) => void heard.push([name, data]));
  }
  watcher.on('status-change:a-2', () => void heard.push(['somebody else', undefined]));
  await watcher.subscribeToAgent('a-1');
  await agent.reportStatus({ agentId: 'a-1', status: 'busy', timestamp: 1 });
  await agent.reportHealth({ agentId: 'a-1', healthy: true, timestamp: 2 });
  await agent.reportMetrics({ agentId: 'a-1', metrics: { cpu: 0.5 }, timestamp: 3 });
  await agent.log({ agentId: 'a-1', level: 'info', message: 'here', timestamp: 4 });
  await agent.reportStatus({ agentId: 'a-3', status: 'idle' });
  await until(() => expect(heard).toHaveLength(5));
  const status = { agentId: 'a-1', status: 'busy', timestamp: 1 };
  expect(heard).toEqual(
    expect.arrayContaining([
      ['status-change', status],
      ['status-change:a-1', status],
      ['health-update', { agentId: 'a-1', healthy: true, timestamp: 2 }],
      ['metrics-update', { agentId: 'a-1', metrics: { cpu: 0.5 }, timestamp: 3 }],
      ['log-entry', { agentId: 'a-1', level: 'info', message: 'here', timestamp: 4 }],
    ]),
  );
  expect(watcher.getSubscribedAgents()).toEqual(['a-1']);
});

test('who comes later learns how the agents stand, and only that', async () => {
  const { connect } = await world();
  const server = new AgentChannelServer(await connect());
  await server.publishStatusChange({ agentId: 'a-1', status: 'idle', timestamp: 1 });
  await server.publishStatusChange({ agentId: 'a-1', status: 'busy', timestamp: 2 });
  await server.publishAgentStarted('a-2', { version: 3 });
  await server.publishLog({ agentId: 'a-1', level: 'warn', message: 'long ago' });
  const watcher = new AgentChannelClient(await connect());
  const heard: unknown[] = [];
  watcher.on('status-change', (data) => void heard.push(data));
  watcher.on('log-entry', (data) => void heard.push(data));
  await watcher.subscribeToAll();
  await until(() => expect(heard).toHaveLength(2));
  await server.publishAgentStopped('a-2', 'done');
  await until(() => expect(heard).toHaveLength(3));
  expect(heard).toEqual(
    expect.arrayContaining([
      { agentId: 'a-1', status: 'busy', timestamp: 2 },
      expect.objectContaining({ agentId: 'a-2', status: 'idle', metadata: { version: 3, event: 'started' } }),
      expect.objectContaining({ agentId: 'a-2', status: 'offline', metadata: { event: 'stopped', reason: 'done' } }),
    ]),
  );
});

test('what a channel hears is also what the client itself has subscribed to; closed, it hears nothing', async () => {
  const { connect } = await world();
  const client = await connect();
  const channel = new AgentChannelClient(client);
  const heard: unknown[] = [];
  const seen: unknown[] = [];
  channel.on('status-change', ({ status }) => void heard.push(status));
  client.on('agent.#', ({ data }) => void seen.push(data));
  await client.subscribe('agent.#');
  await channel.reportStatus({ agentId: 'a', status: 'busy' });
  await until(() => expect(heard).toHaveLength(1));
  channel.close();
  await channel.reportStatus({ agentId: 'a', status: 'idle' });
  await until(() => expect(seen).toHaveLength(2));
  expect(heard).toEqual(['busy']);
});

test('unsubscribed, nothing comes any more; asked for twice, it is subscribed once', async () => {
  const { connect, gateway } = await world();
  const watcher = new AgentChannelClient(await connect());
  const server = new AgentChannelServer(await connect());
  const heard: unknown[] = [];
  watcher.on('status-change', ({ status }) => void heard.push(status));
  await Promise.all([watcher.subscribeToAgent('a'), watcher.subscribeToAgent('a')]);
  await server.publishStatusChange({ agentId: 'a', status: 'one' });
  await until(() => expect(heard).toHaveLength(1));
  await watcher.unsubscribeFromAgent('a');
  const subscriptions = async (): Promise<unknown> =>
    /agentwire_subscriptions (\d+)/.exec((await gateway.http('GET', '/metrics')).text)?.[1];
  await until(async () => expect(await subscriptions()).toBe('0'));
  await watcher.subscribeToAgent('a');
  await server.publishStatusChange({ agentId: 'a', status: 'two' });
  await until(() => expect(heard).toContain('two'));
  expect(heard).toEqual(['one', 'one', 'two']);
  expect(await codeOf(watcher.subscribeToAgent('no name'))).toBe('bad_request');
  expect(watcher.getSubscribedAgents()).toEqual(['a']);
});

test('a task is waited for, before its end and after it, through a cut', async () => {
  const { connect, balancer } = await world();
  const worker = new TaskChannelServer(await connect());
  const client = await connect();
  const tasks = new TaskChannelClient(client);
  const waiting = tasks.waitForCompletion('t-1', 60_000);
  await worker.publishCreated({ taskId: 't-1' });
  balancer.cut(1);
  await worker.publishCompleted({ taskId: 't-1', result: { words: 3 } });
  expect(await waiting).toMatchObject({ taskId: 't-1', result: { words: 3 } });
  expect(await tasks.waitForCompletion('t-1')).toMatchObject({ taskId: 't-1', result: { words: 3 } });
});

test('a task that failed is thrown as its error; tried again, its later end counts', async () => {
  const { connect } = await world();
  const tasks = new TaskChannelClient(await connect());
  await tasks.failed({ taskId: 't', error: { code: 'bad_luck', message: 'it rained' } });
  const thrown: unknown = await tasks.waitForCompletion('t').catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(TaskError);
  expect(thrown).toMatchObject({ taskId: 't', message: 'it rained', error: { code: 'bad_luck' } });
  await tasks.completed({ taskId: 't', result: 1 });
  expect(await tasks.waitForCompletion('t')).toMatchObject({ result: 1 });
});

test("the ancestor's ends are the ends there are", async () => {
  const { connect } = await world();
  const tasks = new TaskChannelClient(await connect());
  const heard: string[] = [];
  for (const name of ['completed', 'failed', 'error'] as const) {
    tasks.on(name, ({ taskId }) => void heard.push(`${name} ${taskId}`));
  }
  await tasks.subscribeAll();
  await tasks.reportCompleted({ taskId: 'a', status: 'completed', result: 1 });
  await tasks.reportCompleted({ taskId: 'b', status: 'cancelled' });
  await tasks.reportError({ taskId: 'c', error: { message: 'again, please', recoverable: true } });
  await tasks.reportError({ taskId: 'd', error: { message: 'no' } });
  await until(() => expect(heard).toHaveLength(4));
  expect(heard.toSorted()).toEqual(['completed a', 'error c', 'failed b', 'failed d']);
  expect(await codeOf(tasks.reportProgress({ taskId: 'a', progress: 140, status: 'running' }))).toBe('bad_request');
});

test('who waits too long is told, and leaves nothing behind', async () => {
  const { connect, gateway } = await world();
  const clock = new ManualClock();
  const client = await connect();
  const tasks = new TaskChannelClient(client, { clock });
  const waiting = codeOf(tasks.waitForCompletion('never', 5000));
  const subscriptions = async (): Promise<unknown> =>
    /agentwire_subscriptions (\d+)/.exec((await gateway.http('GET', '/metrics')).text)?.[1];
  await until(async () => expect(await subscriptions()).toBe('2'));
  clock.advance(5000);
  expect(await waiting).toBe('timeout');
  await until(async () => expect(await subscriptions()).toBe('0'));
  const closed = codeOf(tasks.waitForCompletion('never'));
  await until(async () => expect(await subscriptions()).toBe('2'));
  await client.close();
  expect(await closed).toMatch(/unavailable|conflict/);
});

test('more waits than a connection may have subscriptions end all the same', async () => {
  const { connect } = await world({ AGENTWIRE_MAX_SUBSCRIPTIONS: '4' });
  const clock = new ManualClock();
  const tasks = new TaskChannelClient(await connect(), { clock });
  const worker = new TaskChannelServer(await connect());
  const names = Array.from({ length: 5 }, (_, i) => `t-${i}`);
  const waiting = Promise.all(names.map((name) => tasks.waitForCompletion(name)));
  for (const [i, taskId] of names.entries()) await worker.publishCompleted({ taskId, result: i });
  const ticking = setInterval(() => clock.advance(1000), 10);
  onTestFinished(() => clearInterval(ticking));
  expect((await waiting).map(({ result }) => result)).toEqual([0, 1, 2, 3, 4]);
});

test.each([
  { who: 'an agent', report: (client: AgentwireClient) => new AgentChannelClient(client).reportStatus(busy) },
  {
    who: 'its publisher',
    report: (client: AgentwireClient) => new AgentChannelServer(client).publishStatusChange(busy),
  },
])('$who that comes back says again how the agent stands', async ({ report }) => {
  const { connect, balancer, gateway } = await world();
  await report(await connect());
  balancer.cut(1);
  const statuses = async (): Promise<unknown[]> => {
    const { events } = (await gateway.http('GET', '/v1/topics/agent.a.status/events')).json<{
      events: { data: { status: string } }[];
    }>();
    return events.map(({ data }) => data.status);
  };
  await until(async () => expect(await statuses()).toEqual(['busy', 'offline', 'busy']));
});
