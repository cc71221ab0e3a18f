import { expect, test } from 'vitest';
import { SwarmChannelClient, SwarmChannelServer, TaskChannelClient } from '../../../shared/client/index.ts';
import { until, world } from './channel-world.ts';
import { codeOf } from './harness.ts';

test('a swarm decides, and whoever waited, before or after, hears it once', async () => {
  const { connect } = await world();
  const swarm = new SwarmChannelClient(await connect());
  const watcher = new SwarmChannelClient(await connect());
  const heard: [string, unknown][] = [];
  for (const name of ['proposal', 'vote', 'consensus', 'consensus:s', 'agent-joined', 'agent-left'] as const) {
    watcher.on(name, (data) => void heard.push([name, data]));
  }
  await watcher.subscribeToSwarm('s');
  await swarm.join('s', 'a');
  await swarm.leave('s', 'b', { reason: 'tired' });
  const early = watcher.waitForConsensus('s', 'p');
  await swarm.propose('s', { proposal: 'p', title: 'More agents?', voters: ['a', 'b', 'c'] });
  expect(await codeOf(swarm.submitVote('s', 'p', 'maybe', 'a'))).toBe('bad_request');
  expect(await codeOf(swarm.submitVote('s', 'p', 'yes', 'x'))).toBe('forbidden');
  await swarm.submitVote('s', 'p', 'yes', 'a');
  const record = await swarm.submitVote('s', 'p', 'yes', 'b');
  expect(record).toMatchObject({ decided: true, accepted: true, tally: { yes: 2, no: 0, abstain: 0 } });
  const decided = {
    swarmId: 's',
    proposalId: 'p',
    accepted: true,
    tally: { yes: 2, no: 0, abstain: 0 },
    reason: record.reason,
    type: 'accepted',
    result: { accepted: true, votesFor: 2, votesAgainst: 0, abstentions: 0 },
  };
  expect(await early).toEqual(decided);
  expect(await watcher.waitForConsensus('s', 'p')).toEqual(decided);
  expect(await codeOf(swarm.submitVote('s', 'p', 'no', 'c'))).toBe('conflict');
  await until(() => expect(heard).toHaveLength(7));
  expect(heard.map(([name]) => name).toSorted()).toEqual(
    ['agent-joined', 'agent-left', 'consensus', 'consensus:s', 'proposal', 'vote', 'vote'].toSorted(),
  );
});

test('a proposal that is there already and says the same is the one; one that says something else is not', async () => {
  const { connect } = await world();
  const swarm = new SwarmChannelClient(await connect());
  const asked = { proposal: 'p', title: 'Once', data: { n: 1, of: { a: [1, 2], b: null } }, quorum: 3 };
  const made = await swarm.propose('s', asked);
  expect(await swarm.propose('s', asked)).toEqual(made);
  const data = { of: { b: null, a: [1, 2] }, n: 1 };
  expect(await swarm.propose('s', { ...asked, data })).toEqual(made);
  const filledIn = { ...asked, options: ['yes', 'no', 'abstain'], threshold: 0.5 };
  expect(await swarm.propose('s', filledIn)).toEqual(made);
  const { data: _data, ...bare } = asked;
  const others = [
    { ...asked, title: 'Twice' },
    { ...asked, data: { ...data, more: 0 } },
    { ...asked, data: { n: 1, of: { a: [2, 1], b: null } } },
    bare,
    { ...asked, options: ['no', 'yes', 'abstain'] },
    { ...asked, threshold: 0.6 },
    { ...asked, deadlineMs: 60_000 },
    { ...asked, voters: ['a', 'b', 'c'] },
    { proposal: 'p', title: 'Once', data, deadlineMs: 60_000 },
  ];
  for (const other of others) expect([other, await codeOf(swarm.propose('s', other))]).toEqual([other, 'conflict']);
  expect(await codeOf(swarm.propose('s', { title: 'Never decided' }))).toBe('bad_request');
  const named = { proposal: 'q', title: 'Once', options: ['ja', 'nein'], voters: ['ann', 'ben'], deadlineMs: 60_000 };
  const other = await swarm.propose('s', named);
  expect(await swarm.propose('s', named)).toEqual(other);
  expect(await codeOf(swarm.propose('s', { ...named, deadlineMs: 59_999 }))).toBe('conflict');
  expect(await codeOf(swarm.propose('s', { proposal: 'q', title: 'Once', deadlineMs: 60_000 }))).toBe('conflict');
});

test('what the broker does not check is told where it says what it is of', async () => {
  const { connect } = await world();
  const client = await connect();
  const swarms = new SwarmChannelClient(client);
  const tasks = new TaskChannelClient(client);
  const heard: unknown[] = [];
  swarms.on('decision', (data) => void heard.push(data));
  swarms.on('state-update', (data) => void heard.push(data));
  tasks.on('error', (data) => void heard.push(data));
  await Promise.all([swarms.subscribeToSwarm('s'), tasks.subscribeToTask('t')]);
  for (const data of [
    'text',
    null,
    {},
    { swarmId: 'other', taskId: 'other', error: 1 },
    { taskId: 't', error: null },
  ]) {
    for (const topic of ['swarm.s.decision', 'swarm.s.state', 'task.t.error']) await client.publish(topic, data);
  }
  await swarms.submitDecision('s', 'd', 'a', 'left', 0.5);
  await tasks.reportError({ taskId: 't', error: { message: 'again, please', recoverable: true } });
  await until(() => expect(heard).toHaveLength(2));
  expect(heard).toEqual([
    expect.objectContaining({ swarmId: 's', decisionId: 'd' }),
    expect.objectContaining({ taskId: 't', error: { message: 'again, please', recoverable: true } }),
  ]);
});

test("the ancestor's way to propose and to vote", async () => {
  const { connect } = await world();
  const server = new SwarmChannelServer(await connect());
  const client = new SwarmChannelClient(await connect());
  await client.subscribeToSwarm('swarm-1');
  const topologies: unknown[] = [];
  client.on('topology-change:swarm-1', (data) => void topologies.push(data));
  await server.publishTopologyChange({ swarmId: 'swarm-1', oldTopology: 'mesh', newTopology: 'hierarchical' });
  await server.publishConsensus({ swarmId: 'swarm-1', proposalId: 'prop-1', type: 'proposed', proposal: { up: 1 } });
  await client.submitVote('swarm-1', 'prop-1', 'yes', 'agent-1');
  const [vote] = [{ agentId: 'agent-2', vote: 'no' }];
  await server.publishConsensus({ swarmId: 'swarm-1', proposalId: 'prop-1', type: 'voting', votes: [vote!] });
  expect(await client.proposal('swarm-1', 'prop-1')).toMatchObject({
    data: { up: 1 },
    tally: { yes: 1, no: 1, abstain: 0 },
    decided: false,
  });
  expect(await codeOf(server.publishConsensus({ swarmId: 's', proposalId: 'p', type: 'accepted' }))).toBe('forbidden');
  expect(await codeOf(server.publishConsensusResult('swarm-1', 'prop-1', true, [vote!]))).toBe('forbidden');
  // @ts-expect-error An event of a member says which swarm and which agent.
  expect(await codeOf(server.publishAgentJoined({}))).toBe('bad_request');
  // @ts-expect-error An agent is missing.
  expect(await codeOf(server.publishAgentLeft({ swarmId: 'swarm-1' }))).toBe('bad_request');
  await server.publishAgentJoined({ swarmId: 'swarm-1', agentId: 'agent-3', role: 'worker' });
  await until(() => expect(topologies).toHaveLength(1));
});
