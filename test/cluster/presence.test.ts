import { expect, onTestFinished, test } from 'vitest';
import type { PresenceMember } from '../../shared/protocol/presence.ts';
import { join } from '../support/client.ts';
import type { EventFrame, TestClient } from '../support/client.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { startRedis } from '../support/redis-server.ts';
import { createEngine } from '../../shared/engine/create-engine.ts';

/** `PRESENCE_MEMBERS=2000` makes it a crowd. */
const crowd = Number(process.env['PRESENCE_MEMBERS'] ?? 40);

const patienceMs = 60_000;

interface Person {
  readonly client: TestClient;
  readonly connection: string;
}

interface Change extends PresenceMember {
  readonly change: 'joined' | 'left';
}

interface Cluster {
  readonly one: GatewayProcess;
  readonly other: GatewayProcess;
  /** Resolves when nobody has anything left to clean up after a node that is gone. */
  readonly tidy: () => Promise<void>;
}

/** Two gateways; gone, with their Redis, at the end of the test. */
async function startCluster(): Promise<Cluster> {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const env = { REDIS_URL: redis.url, AGENTWIRE_DRAIN_MS: '200' };
  const [one, other] = await Promise.all([startGatewayProcess(env), startGatewayProcess(env)]);
  const engine = createEngine({ historySize: 1000, historyTtlMs: 1e6, metaTtlMs: 1e6, redisUrl: redis.url });
  onTestFinished(() => engine.stop());
  await engine.start();
  const held = async (group: string): Promise<string[]> => {
    const list = await engine.leases.list(group);
    return list.ok ? list.value.map(({ member }) => member) : ['unknown'];
  };
  const left = async (): Promise<string[]> => {
    const alive = await held('nodes');
    return (await held('remains')).filter((node) => !alive.includes(node));
  };
  const tidy = async (): Promise<void> => {
    await expect.poll(async () => (await held('nodes')).length, { timeout: patienceMs }).toBe(1);
    await expect.poll(left, { timeout: patienceMs }).toEqual([]);
  };
  return { one, other, tidy };
}

async function come(gateway: GatewayProcess): Promise<Person> {
  const client = await join(gateway.port);
  const { connection } = await client.request<{ connection: string }>({ type: 'hello', versions: [1] });
  return { client, connection };
}

const people = (gateway: GatewayProcess, count: number): Promise<Person[]> =>
  Promise.all(Array.from({ length: count }, () => come(gateway)));

const enter = ({ client }: Person): Promise<unknown> =>
  client.request({ type: 'subscribe', topics: ['room'], presence: true });

async function watching(gateway: GatewayProcess, ...topics: string[]): Promise<TestClient> {
  const client = await join(gateway.port);
  await client.request({ type: 'subscribe', topics });
  return client;
}

async function there(client: TestClient): Promise<string[]> {
  const { members } = await client.request<{ members: PresenceMember[] }>({ type: 'presence', topic: 'room' });
  return members.map(({ connection }) => connection).sort();
}

const names = (some: readonly Person[]): string[] => some.map(({ connection }) => connection).sort();

const changes = (events: readonly EventFrame[], kind: Change['change']): string[] =>
  events
    .filter(({ topic }) => topic === '$presence.room')
    .map(({ data }) => data as Change)
    .filter(({ change }) => change === kind)
    .map(({ connection }) => connection)
    .sort();

const report = ({ client }: Person, agentId: string, status: string): Promise<unknown> =>
  client.request({ type: 'publish', topic: `agent.${agentId}.status`, data: { agentId, status } });

const ofAgent = (watcher: TestClient, agent: string): unknown[] =>
  watcher.events
    .filter(({ topic }) => topic === `agent.${agent}.status`)
    .map(({ data }) => (data as { status: string }).status);

test(
  'members leave once, and agents are offline once, when their gateway is killed',
  { timeout: 120_000 },
  async () => {
    const { one, other, tidy } = await startCluster();
    const watcher = await watching(one, '$presence.room', 'agent.*.status');
    const [here, doomed] = [await people(one, crowd), await people(other, crowd)];
    await Promise.all([...here, ...doomed].map(enter));
    for (const { client } of [here[0]!, doomed[0]!]) expect(await there(client)).toEqual(names([...here, ...doomed]));
    const [gone, ...staying] = here;
    gone!.client.cut();
    await expect.poll(() => there(doomed[0]!.client)).toEqual(names([...staying, ...doomed]));

    await Promise.all(doomed.map((each, i) => report(each, `d${i}`, 'busy')));
    await report(staying[0]!, 'stays', 'busy');
    // Somebody at the other gateway speaks for this one since.
    await report(doomed[0]!, 'moves', 'busy');
    await report(staying[1]!, 'moves', 'idle');
    await report(doomed[1]!, 'says', 'offline');
    await other.kill();
    await tidy();

    expect(await there(watcher)).toEqual(names(staying));
    await watcher.until(() => changes(watcher.events, 'left').length > crowd, 'every leave');
    expect(changes(watcher.events, 'joined')).toEqual(names([...here, ...doomed]));
    expect(changes(watcher.events, 'left')).toEqual(names([gone!, ...doomed]));
    for (const i of doomed.keys()) expect(ofAgent(watcher, `d${i}`)).toEqual(['busy', 'offline']);
    expect(ofAgent(watcher, 'stays')).toEqual(['busy']);
    expect(ofAgent(watcher, 'moves')).toEqual(['busy', 'idle']);
    expect(ofAgent(watcher, 'says')).toEqual(['offline']);
    staying[1]!.client.cut();
    await watcher.until(() => ofAgent(watcher, 'moves').length === 3, 'the end of the one that moved');
    expect(ofAgent(watcher, 'moves')).toEqual(['busy', 'idle', 'offline']);
  },
);

test('a gateway that stood still was taken for dead, and comes back', { timeout: 120_000 }, async () => {
  const { one, other } = await startCluster();
  const watcher = await watching(one, '$presence.room', 'agent.*.status');
  const [here, away] = [await people(one, 2), await people(other, 5)];
  await Promise.all([...here, ...away].map(enter));
  await Promise.all(away.map((each, i) => report(each, `a${i}`, 'busy')));
  other.signal('SIGSTOP');
  await expect.poll(() => watcher.events.length, { timeout: patienceMs }).toBe(7 + 5 + 5 + 5);
  expect(await there(watcher)).toEqual(names(here));
  for (const i of away.keys()) expect(ofAgent(watcher, `a${i}`)).toEqual(['busy', 'offline']);

  other.signal('SIGCONT');
  await expect.poll(() => watcher.events.length, { timeout: patienceMs }).toBe(22 + 5 + 5);
  expect(await there(watcher)).toEqual(names([...here, ...away]));
  expect(changes(watcher.events, 'left')).toEqual(names(away));
  expect(changes(watcher.events, 'joined')).toEqual(names([...here, ...away, ...away]));
  // Nobody needs to speak again for that, and whoever comes later sees it as well.
  const late = await join(one.port);
  await late.request({ type: 'subscribe', topics: [{ topic: 'agent.*.status', since: { last: 1 } }] });
  await late.gather(away.length);
  for (const i of away.keys()) {
    expect(ofAgent(watcher, `a${i}`)).toEqual(['busy', 'offline', 'busy']);
    expect(ofAgent(late, `a${i}`)).toEqual(['busy']);
  }
  // And they are looked after again, those that speak and those that do not.
  await report(away[0]!, 'a0', 'back');
  for (const { client } of away) client.cut();
  const ended = away.map((_, i) => ['busy', 'offline', 'busy', ...(i === 0 ? ['back'] : []), 'offline']);
  await watcher.until(() => ended.every(({ length }, i) => ofAgent(watcher, `a${i}`).length === length), 'all ends');
  for (const [i, statuses] of ended.entries()) expect(ofAgent(watcher, `a${i}`)).toEqual(statuses);
});

test('who leaves a gateway that is stopped leaves at once', { timeout: 60_000 }, async () => {
  const { one, other } = await startCluster();
  const watcher = await watching(one, '$presence.room', 'agent.*.status');
  const leaving = await people(other, 5);
  await Promise.all(leaving.map(enter));
  await Promise.all(leaving.map((each, i) => report(each, `a${i}`, 'busy')));
  expect(await other.stop()).toBe(0);
  expect(await there(watcher)).toEqual([]);
  await watcher.gather(4 * leaving.length);
  expect(changes(watcher.events, 'left')).toEqual(names(leaving));
  for (const i of leaving.keys()) expect(ofAgent(watcher, `a${i}`)).toEqual(['busy', 'offline']);
});

test('in one process the same holds', async () => {
  const gateway = await startGatewayProcess({}, 'standalone');
  const watcher = await watching(gateway, '$presence.room', 'agent.*.status');
  const both = await people(gateway, 2);
  await Promise.all(both.map(enter));
  expect(await there(watcher)).toEqual(names(both));
  await report(both[0]!, '7', 'busy');
  both[0]!.client.cut();
  await watcher.gather(5);
  expect(await there(watcher)).toEqual(names(both.slice(1)));
  expect(changes(watcher.events, 'left')).toEqual(names(both.slice(0, 1)));
  expect(ofAgent(watcher, '7')).toEqual(['busy', 'offline']);
});
