import { expect, test, vi } from 'vitest';
import {
  AgentChannelClient,
  AgentChannelServer,
  SwarmChannelClient,
  TaskChannelClient,
} from '../../../shared/client/index.ts';
import { ManualClock } from '../../../shared/base/clock.ts';
import { HeldBack } from '../../../shared/client/channels/held-back.ts';
import type { Hold } from '../../../shared/client/channels/held-back.ts';
import { until, world } from './channel-world.ts';
import { codeOf, connected, microtasks } from './harness.ts';

/** As with the first event that a new subscription brings. */
function begun(back: HeldBack, id?: string): Hold {
  const hold = back.hold(id);
  hold.begin();
  return hold;
}

test('a listener that throws costs no other its event, by whatever name it listens, and the client is told', async () => {
  const { connect } = await world();
  const client = await connect();
  const agents = new AgentChannelClient(client);
  const swarms = new SwarmChannelClient(client);
  const told: string[] = [];
  const heard: string[] = [];
  client.on('error', ({ message }) => void told.push(message));
  agents.on('status-change', () => {
    throw new Error('of the status');
  });
  agents.on('status-change', () => Promise.reject(new Error('later')));
  agents.once('status-change', ({ status }) => void heard.push(status));
  agents.on('status-change:a', ({ status }) => {
    heard.push(`a: ${status}`);
    throw new Error('of a');
  });
  swarms.on('membership-change', () => {
    throw new Error('of the members');
  });
  swarms.on('agent-joined', ({ agentId }) => void heard.push(`${agentId} is in`));
  swarms.on('agent-joined:s', ({ agentId }) => void heard.push(`${agentId} is in s`));
  await Promise.all([agents.subscribeToAgent('a'), swarms.subscribeToSwarm('s')]);
  await agents.reportStatus({ agentId: 'a', status: 'busy' });
  await agents.reportStatus({ agentId: 'a', status: 'idle' });
  await swarms.join('s', 'b');
  await until(() => expect(heard).toEqual(['busy', 'a: busy', 'a: idle', 'b is in', 'b is in s']));
  const each = ['of the status', 'later', 'of a'];
  await until(() => expect(told.toSorted()).toEqual([...each, ...each, 'of the members'].toSorted()));
});

test('`off` takes away what `once` has added, of a channel as of its client', async () => {
  const { connect } = await world();
  const client = await connect();
  const channel = new AgentChannelClient(client);
  const heard: string[] = [];
  const mine = (): void => void heard.push('mine');
  channel.once('status-change', mine);
  channel.off('status-change', mine);
  client.once('event', mine);
  client.off('event', mine);
  channel.on('status-change:a', mine);
  channel.off('status-change:a', mine);
  channel.on('status-change', ({ status }) => void heard.push(status));
  await channel.subscribeToAgent('a');
  await channel.reportStatus({ agentId: 'a', status: 'busy' });
  await until(() => expect(heard).toContain('busy'));
  expect(heard).toEqual(['busy']);
});

test.each([
  { to: 'one', subscribe: (channel: AgentChannelClient) => channel.subscribeToAgent('a') },
  { to: 'all', subscribe: (channel: AgentChannelClient) => channel.subscribeAll() },
])(
  'whoever listens after the subscription to $to was awaited hears how it stands, and then what follows',
  async (to) => {
    const { client, clock, log, server } = await connected();
    log.append('agent.a.status', { agentId: 'a', status: 'busy' });
    log.append('agent.a.health', { agentId: 'a', healthy: true });
    const channel = new AgentChannelClient(client, { clock });
    const heard: unknown[] = [];
    const listening = to.subscribe(channel).then(() => {
      channel.on('status-change', ({ status }) => void heard.push(status));
      channel.on('health-update:a', ({ healthy }) => void heard.push(healthy));
    });
    await microtasks();
    const socket = server.socket!;
    socket.toServer();
    log.append('agent.a.status', { agentId: 'a', status: 'idle' });
    socket.sendAll();
    // The answer and all that is behind it, read in one turn.
    socket.toClient();
    await listening;
    expect(heard).toEqual([]);
    clock.advance(0);
    expect(heard.filter((each) => each !== true)).toEqual(['busy', 'idle']);
    expect(heard).toContain(true);
    log.append('agent.a.status', { agentId: 'a', status: 'more' });
    socket.sendAll();
    socket.toClient();
    expect(heard.at(-1)).toBe('more');
  },
);

test('a subscription that is refused for now keeps back nothing of those that work, and then hears how it stands', async () => {
  const made = await connected();
  const { client, clock, log, server } = made;
  log.append('agent.b.status', { agentId: 'b', status: 'idle' });
  const channel = new AgentChannelClient(client, { clock });
  const heard: unknown[] = [];
  channel.on('log-entry', ({ message }) => void heard.push(message));
  const following = channel.subscribeToAgent('a');
  await made.quiet();
  await following;
  clock.advance(0);
  server.mood.refuse = 'unavailable';
  const all = channel.subscribeToAll().then(() => channel.on('status-change', ({ status }) => void heard.push(status)));
  await made.quiet();
  log.append('agent.a.logs', { agentId: 'a', level: 'info', message: 'works' });
  await made.quiet();
  expect(heard).toEqual(['works']);
  server.mood.refuse = undefined;
  await made.pass(1000);
  await all;
  expect(heard).toEqual(['works', 'idle']);
});

test('where a part is there and the rest is refused for now, it is not held back for ever', async () => {
  const made = await connected();
  const { client, clock, log, server } = made;
  const channel = new AgentChannelClient(client, { clock });
  const heard: unknown[] = [];
  channel.on('status-change', ({ status }) => void heard.push(status));
  const following = channel.subscribePattern('*.status');
  await made.quiet();
  await following;
  clock.advance(0);
  server.mood.refuse = 'unavailable';
  const all = channel.subscribeToAll();
  log.append('agent.a.status', { agentId: 'a', status: 'busy' });
  await made.quiet();
  await made.pass(5000);
  log.append('agent.a.status', { agentId: 'a', status: 'idle' });
  await made.quiet();
  expect(heard).toEqual(['busy', 'idle']);
  server.mood.refuse = undefined;
  await made.pass(5000);
  await all;
  await client.close();
  expect(clock.pending).toBe(0);
});

test('what is held back is told in order, once nobody holds it any more, and is bounded', () => {
  const told: unknown[] = [];
  const back = new HeldBack(new ManualClock(), ({ id, data }) => void told.push(`${id}${String(data)}`));
  const take = (id: string, data: number): void => back.take({ id, kind: 'status', data });
  const one = begun(back, 'a');
  take('a', 1);
  take('b', 1);
  const all = begun(back);
  take('b', 2);
  take('a', 2);
  one.end();
  expect(told).toEqual(['b1']);
  all.end();
  all.begin();
  take('a', 3);
  expect(told.splice(0)).toEqual(['b1', 'a1', 'b2', 'a2', 'a3']);
  begun(back);
  for (let i = 0; i < 10_001; i += 1) take('c', i);
  expect([told.length, told[0], told.at(-1)]).toEqual([10_001, 'c0', 'c10000']);
});

test('a listener that subscribes while it is told is told the rest in order', () => {
  const told: string[] = [];
  const later: Hold[] = [];
  const back = new HeldBack(new ManualClock(), ({ id, data }) => {
    told.push(`${id}${String(data)}`);
    if (told.length === 1) later.push(begun(back, 'a'));
  });
  const all = begun(back);
  for (const [id, data] of [
    ['a', 1],
    ['a', 2],
    ['b', 1],
  ] as const)
    back.take({ id, kind: 'status', data });
  all.end();
  back.take({ id: 'a', kind: 'status', data: 3 });
  expect(told).toEqual(['a1', 'b1']);
  for (const hold of later) hold.end();
  expect(told).toEqual(['a1', 'b1', 'a2', 'a3']);
});

test('what was held back is told before an end of the subscription, and not after that of the channel', async () => {
  const { connect } = await world();
  const server = new AgentChannelServer(await connect());
  await server.publishStatusChange({ agentId: 'a', status: 'busy' });
  const client = await connect();
  const channel = new AgentChannelClient(client);
  const heard: string[] = [];
  channel.on('status-change', ({ status }) => void heard.push(status));
  const came = vi.fn<() => void>();
  client.on('agent.a.status', came);
  await channel.subscribeToAgent('a');
  await until(() => expect(came).toHaveBeenCalled());
  await channel.unsubscribeFromAgent('a');
  expect(heard).toEqual(['busy']);
  await channel.subscribeToAgent('a');
  channel.close();
  expect(await codeOf(channel.subscribeToAgent('b'))).toBe('conflict');
  expect(await codeOf(channel.subscribeToAll())).toBe('conflict');
  await server.publishStatusChange({ agentId: 'a', status: 'idle' });
  expect(heard).toEqual(['busy']);
});

test('an id that is no single segment is refused, wherever it is said', async () => {
  const { connect } = await world();
  const client = await connect();
  const [agents, tasks, swarms] = [
    new AgentChannelClient(client),
    new TaskChannelClient(client),
    new SwarmChannelClient(client),
  ];
  const server = new AgentChannelServer(client);
  for (const id of ['a.b', '', '*', '#', '$a', 'a b', 'x'.repeat(65), 7 as unknown as string]) {
    const asked: Promise<unknown>[] = [
      agents.subscribeToAgent(id),
      agents.reportStatus({ agentId: id, status: 'busy' }),
      agents.log({ agentId: id, level: 'info', message: 'm' }),
      server.publishHealthUpdate({ agentId: id, healthy: true }),
      tasks.subscribeToTask(id),
      tasks.created({ taskId: id }),
      tasks.waitForCompletion(id, 60_000),
      swarms.subscribeToSwarm(id),
      swarms.join(id, 'a'),
      swarms.waitForConsensus(id, 'p', 60_000),
      swarms.waitForConsensus('s', id, 60_000),
    ];
    expect([id, ...new Set(await Promise.all(asked.map(codeOf)))]).toEqual([id, 'bad_request']);
  }
  expect([agents.getSubscribedAgents(), tasks.getSubscribedTasks(), swarms.getSubscribedSwarms()]).toEqual([
    [],
    [],
    [],
  ]);
});

test.each([Number.NaN, -1, '5' as unknown as number])('to wait for %s ms is refused at once', async (timeoutMs) => {
  const { connect } = await world();
  const client = await connect();
  expect(await codeOf(new TaskChannelClient(client).waitForCompletion('t', timeoutMs))).toBe('bad_request');
  expect(await codeOf(new SwarmChannelClient(client).waitForConsensus('s', 'p', timeoutMs))).toBe('bad_request');
});

test('a kind that is called as what every object has is no event', async () => {
  const { connect } = await world();
  const client = await connect();
  const channel = new SwarmChannelClient(client);
  const told = vi.fn<() => void>();
  const free = vi.fn<() => void>();
  channel.on(`${String(Object)}:s` as 'decision', told);
  channel.on('coordination', free);
  await client.subscribe('swarm.#');
  await client.publish('swarm.s.constructor', {});
  await channel.coordinate({ swarmId: 's' });
  await until(() => expect(free).toHaveBeenCalled());
  expect(told).not.toHaveBeenCalled();
});
