import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { ManualClock } from '../../../shared/base/clock.ts';
import { OwnStatuses } from '../../../shared/client/channels/own-statuses.ts';
import {
  AgentChannelClient,
  AgentChannelServer,
  AgentwireClient,
  AgentwireError,
} from '../../../shared/client/index.ts';
import type { AgentStatus } from '../../../shared/protocol/well-known.ts';
import { until, world } from './channel-world.ts';
import { codeOf, connected } from './harness.ts';
import type { Harness } from './harness.ts';

const topic = 'agent.a.status';
const busy = { agentId: 'a', status: 'busy', timestamp: 1 };
const offline = { agentId: 'a', status: 'offline', timestamp: 2, reason: 'disconnected' };

/** Everything that was said of the agent, the broker's word for its absence included. */
function statuses({ log }: Harness): unknown[] {
  return log.kept(topic).map(({ data }) => (data as AgentStatus).status);
}

async function reported(made: Harness, event: AgentStatus, channel = channelOf(made)): Promise<AgentChannelClient> {
  const reporting = channel.reportStatus(event);
  await made.quiet();
  await reporting;
  return channel;
}

function channelOf({ client, clock }: Harness): AgentChannelClient {
  return new AgentChannelClient(client, { clock });
}

async function back(made: Harness, meanwhile: () => void = () => {}): Promise<void> {
  made.server.socket!.cut();
  meanwhile();
  await made.pass(1000);
}

test.each<{ last: string; append: (made: Harness) => void; says: string[] }>([
  { last: 'its own', append: () => {}, says: ['busy', 'busy'] },
  { last: 'gone', append: ({ log }) => log.append(topic, offline), says: ['busy', 'offline', 'busy'] },
  {
    last: 'its own as a gateway says it again',
    append: ({ log }) => [offline, busy].forEach((data) => log.append(topic, data)),
    says: ['busy', 'offline', 'busy', 'busy'],
  },
  {
    last: 'that of somebody else',
    append: ({ log }) => log.append(topic, { ...busy, status: 'idle' }, 'x'),
    says: ['busy', 'idle'],
  },
  {
    last: 'that of somebody else, who says the same',
    append: ({ log }) => log.append(topic, busy, 'x'),
    says: ['busy', 'busy'],
  },
  {
    last: 'an offline that somebody else has said',
    append: ({ log }) => log.append(topic, { agentId: 'a', status: 'offline' }, 'x'),
    says: ['busy', 'offline'],
  },
  {
    last: 'one without a name, said by somebody else',
    append: ({ log }) => log.append(topic, { ...busy, timestamp: 3 }),
    says: ['busy', 'busy'],
  },
])('who comes back and finds that the last status is $last', async ({ append, says }) => {
  const made = await connected();
  await reported(made, busy);
  await back(made, () => append(made));
  expect(statuses(made)).toEqual(says);
});

test('whom somebody else has spoken for is not spoken for any more, until the next report', async () => {
  const made = await connected();
  const channel = await reported(made, busy);
  await back(made, () => made.log.append(topic, { ...busy, status: 'idle' }, 'x'));
  await back(made, () => made.log.append(topic, offline));
  expect(statuses(made)).toEqual(['busy', 'idle', 'offline']);
  await reported(made, busy, channel);
  await back(made, () => made.log.append(topic, offline));
  expect(statuses(made).slice(3)).toEqual(['busy', 'offline', 'busy']);
});

test('what is reported meanwhile is the last, and said once', async () => {
  const made = await connected();
  const channel = await reported(made, busy);
  const waiting: Promise<unknown>[] = [];
  await back(made, () => {
    made.log.append(topic, offline);
    waiting.push(channel.reportStatus({ ...busy, status: 'idle' }));
  });
  await Promise.all(waiting);
  expect(statuses(made)).toEqual(['busy', 'offline', 'idle']);
  made.client.on('connected', () => waiting.push(channel.reportStatus({ ...busy, status: 'error' })));
  await back(made);
  await Promise.all(waiting);
  expect(statuses(made).slice(3)).toEqual(['error']);
});

test('a status whose answer was lost, and that was taken before the offline, is said again', async () => {
  const made = await connected();
  const reporting = channelOf(made).reportStatus(busy);
  made.server.socket!.toServer();
  await back(made, () => made.log.append(topic, offline));
  await reporting;
  expect(statuses(made)).toEqual(['busy', 'offline', 'busy']);
});

test('what the broker refused is not said again, and what the application did to its object is not said', async () => {
  const made = await connected();
  const mine = { agentId: 'a', status: 'busy', timestamp: 1, of: { step: 1 } };
  const channel = await reported(made, mine);
  mine.of.step = 2;
  made.server.mood.refuse = 'bad_request';
  const refused = codeOf(channel.reportStatus({ ...busy, status: 'refused' }));
  await made.quiet();
  expect(await refused).toBe('bad_request');
  made.server.mood.refuse = undefined;
  await back(made);
  expect(made.log.kept(topic).map(({ data }) => data)).toEqual([
    { ...busy, of: { step: 1 } },
    { ...busy, of: { step: 1 } },
  ]);
});

test('what was refused here, for want of room, was never sent and is not said again', async () => {
  const made = await connected({ queueLimit: 1 });
  const channel = await reported(made, busy);
  const filling = made.client.publish('x', {});
  expect(await codeOf(channel.reportStatus({ ...busy, status: 'error' }))).toBe('busy');
  expect(await codeOf(channel.reportStatus({ agentId: 'a', status: 'offline' }))).toBe('busy');
  await made.quiet();
  await filling;
  await back(made);
  expect(statuses(made)).toEqual(['busy', 'busy']);
});

test('what was refused with an outcome that nobody knows is said again, since it may have been taken', async () => {
  const made = await connected();
  Object.assign(made.server.mood, { refuse: 'internal', doneAnyway: () => true });
  const refused = codeOf(channelOf(made).reportStatus(busy));
  await made.quiet();
  expect(await refused).toBe('internal');
  made.server.mood.refuse = undefined;
  await back(made, () => made.log.append(topic, offline));
  expect(statuses(made)).toEqual(['busy', 'offline', 'busy']);
});

test('who said offline, or closed its channel, says nothing again', async () => {
  const made = await connected();
  const channel = await reported(made, busy);
  await reported(made, { agentId: 'a', status: 'offline' }, channel);
  await back(made);
  await reported(made, busy, channel);
  channel.close();
  await back(made, () => made.log.append(topic, offline));
  expect(statuses(made)).toEqual(['busy', 'offline', 'busy', 'offline']);
});

test('what cannot be looked at for now is looked at again; what may not be read is said again', async () => {
  const made = await connected();
  await reported(made, busy);
  const history = made.client.history.bind(made.client);
  const answers = ['unavailable', 'busy'] as const;
  let asked = 0;
  made.client.history = (...asking) => {
    const code = answers[asked];
    asked += 1;
    return code ? Promise.reject(new AgentwireError(code)) : history(...asking);
  };
  await back(made);
  expect([asked, statuses(made)]).toEqual([1, ['busy']]);
  await made.pass(1000);
  expect(asked).toBe(2);
  await made.pass(1000);
  expect([asked, statuses(made)]).toEqual([3, ['busy', 'busy']]);
  made.client.history = () => Promise.reject(new AgentwireError('forbidden'));
  await back(made);
  expect(statuses(made)).toEqual(['busy', 'busy', 'busy']);
  made.client.history = () => Promise.reject(new AgentwireError('unavailable'));
  await back(made);
  const { pending } = made.clock;
  await made.client.close();
  expect([pending > 0, made.clock.pending]).toEqual([true, 0]);
});

test('as many agents are kept as a connection may speak for, and the oldest goes', async () => {
  const calls: ((event: { again: boolean }) => void)[] = [];
  const client = {
    on: (name: string, handler: (event: { again: boolean }) => void) => {
      if (name === 'connected') calls.push(handler);
      return () => {};
    },
    history: () => Promise.resolve({ events: [], epoch: '', seq: 0, more: false }),
  } as unknown as AgentwireClient;
  const said: string[] = [];
  const publish = ({ agentId }: AgentStatus) => {
    said.push(agentId);
    return Promise.resolve({ topic, seq: 1, epoch: 'e' });
  };
  const own = new OwnStatuses(client, publish, new ManualClock());
  for (let i = 0; i <= 10_000; i += 1) await own.report({ ...busy, agentId: `a${i}` });
  said.length = 0;
  for (const call of calls) call({ again: true });
  await until(() => expect(said).toHaveLength(10_000));
  expect([said.includes('a0'), said.includes('a1'), said.includes('a10000')]).toEqual([false, true, true]);
});

test.each([
  { who: 'an agent', report: (client: AgentwireClient) => new AgentChannelClient(client).reportStatus(busy) },
  { who: 'a publisher', report: (client: AgentwireClient) => new AgentChannelServer(client).publishStatusChange(busy) },
])('$who that comes back does not take over an agent that another process speaks for', async ({ report }) => {
  const { connect, balancer, gateway } = await world();
  const old = await connect();
  await report(old);
  const fresh = new AgentwireClient({ url: gateway.url, WebSocket });
  onTestFinished(() => fresh.close());
  await fresh.connect();
  await new AgentChannelClient(fresh).reportStatus({ ...busy, status: 'new' });
  const looked = new Promise<void>((resolve) => {
    const history = old.history.bind(old);
    old.history = async (...asking) => {
      const found = await history(...asking);
      resolve();
      return found;
    };
  });
  balancer.cut(1);
  await looked;
  await fresh.close();
  const said = async (): Promise<unknown[]> => {
    const answer = await gateway.http('GET', `/v1/topics/${topic}/events`);
    return answer.json<{ events: { data: AgentStatus }[] }>().events.map(({ data }) => data.status);
  };
  await until(async () => expect(await said()).toEqual(['busy', 'new', 'offline']));
});
