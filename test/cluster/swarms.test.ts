import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { AgentwireClient } from '../../shared/client/index.ts';
import type { ProposalRecord } from '../../shared/protocol/swarms.ts';
import type { SwarmConsensus, SwarmVote } from '../../shared/protocol/well-known.ts';
import { startGatewayProcess, startWorkerProcess } from '../support/gateway-process.ts';
import { httpOf } from '../support/in-process.ts';
import type { Http } from '../support/in-process.ts';
import { startQueueProcess } from '../support/queue-process.ts';
import { startRedis } from '../support/redis-server.ts';
import { startRunCluster, startStandalone } from '../support/run-cluster.ts';
import { seeded } from '../support/seeded.ts';
import { libraryAt } from '../support/session-places.ts';

const seed = Number(process.env['SWARM_SEED'] ?? Date.now() % 1_000_000);
const voterCount = Number(process.env['SWARM_VOTERS'] ?? 1000);
const options = ['yes', 'no', 'abstain'];
/** All that is told of a swarm is kept, to be held against what is counted. */
const env = { AGENTWIRE_HISTORY_SIZE: '1000000' };

type Outcome = 'ok' | 'conflict';

/** Votes until there is a word of it: a vote that is sent again is the same vote. */
async function vote(client: AgentwireClient, swarm: string, ballot: { voter: string; vote: string }): Promise<Outcome> {
  for (;;) {
    try {
      await client.request({ type: 'swarm.vote', swarm, proposal: 'p', ...ballot });
      return 'ok';
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === 'conflict') return code;
      if (code !== 'unavailable' && code !== 'timeout' && code !== 'busy') throw error;
    }
  }
}

async function told<T>(http: Http, topic: string): Promise<T[]> {
  const all: T[] = [];
  for (let after = 0, more = true; more;) {
    const page = await http('GET', `/v1/topics/${topic}/events?limit=1000&after=${after}`);
    const { events, more: further } = page.json<{ events: { seq: number; data: T }[]; more: boolean }>();
    all.push(...events.map(({ data }) => data));
    after = events.at(-1)?.seq ?? after;
    more = further;
  }
  return all;
}

function tallyOf(votes: Iterable<string>): Record<string, number> {
  const tally = Object.fromEntries(options.map((option) => [option, 0]));
  for (const one of votes) tally[one]! += 1;
  return tally;
}

/** What was counted is what the log tells, and it was decided once. */
async function expectExact(http: Http, swarm: string): Promise<{ votes: SwarmVote[]; record: ProposalRecord }> {
  const votes = await told<SwarmVote>(http, `swarm.${swarm}.vote`);
  const { proposal: record } = (await http('GET', `/v1/swarms/${swarm}/proposals/p`)).json<{
    proposal: ProposalRecord;
  }>();
  const last = new Map(votes.map(({ voter, vote: option }) => [voter, option]));
  expect(record.tally).toEqual(tallyOf(last.values()));
  const { accepted, reason, tally } = record;
  const consensus = await told<SwarmConsensus>(http, `swarm.${swarm}.consensus`);
  expect(consensus).toEqual([{ swarmId: swarm, proposalId: 'p', accepted, tally, reason }]);
  return { votes, record };
}

/** A voter's votes as they are told: a second one that is the same is none. */
function changes(votes: readonly string[]): string[] {
  return votes.filter((one, i) => one !== votes[i - 1]);
}

function expectVoteByVote(
  votes: readonly SwarmVote[],
  cast: ReadonlyMap<string, readonly { vote: string; outcome: Outcome }[]>,
): void {
  for (const [voter, own] of cast) {
    const logged = votes.filter((one) => one.voter === voter).map((one) => one.vote);
    const acknowledged = own.filter(({ outcome }) => outcome === 'ok').map((one) => one.vote);
    // The first one that came too late was perhaps counted before its answer was lost.
    const tooLate = own.find(({ outcome }) => outcome === 'conflict');
    const perhaps = tooLate ? [changes([...acknowledged, tooLate.vote])] : [];
    expect([changes(acknowledged), ...perhaps]).toContainEqual(logged);
  }
}

test(`${voterCount} voters at once, cut off and robbed of a gateway, are counted exactly (SWARM_SEED=${seed})`, async () => {
  const random = seeded(seed);
  const cluster = await startRunCluster({ workers: 1, env, random });
  const { balancer, gateways, http } = cluster;
  const clients = await Promise.all(Array.from({ length: 20 }, () => libraryAt(balancer.port)));
  // Decided by the last of them, whoever that is.
  await clients[0]!.request({ type: 'swarm.propose', swarm: 's', proposal: 'p', title: '?', quorum: voterCount });
  const cast = new Map<string, { vote: string; outcome: Outcome }[]>();
  let answered = 0;
  const meanwhile = (): void => {
    answered += 1;
    if (answered === Math.floor(voterCount * 0.2) || answered === Math.floor(voterCount * 0.7)) balancer.cut(0.5);
    if (answered !== Math.floor(voterCount * 0.4)) return;
    balancer.targets.splice(balancer.targets.indexOf(gateways[0]!.port), 1);
    void gateways[0]!.kill();
  };
  await Promise.all(
    Array.from({ length: voterCount }, async (_, i) => {
      const voter = `v${i}`;
      const own: { vote: string; outcome: Outcome }[] = [];
      cast.set(voter, own);
      while (own.length < 3 && own.at(-1)?.outcome !== 'conflict') {
        const option = options[Math.floor(random() * options.length)]!;
        own.push({ vote: option, outcome: await vote(clients[i % clients.length]!, 's', { voter, vote: option }) });
        meanwhile();
      }
    }),
  );
  const { votes, record } = await expectExact(http, 's');
  expect(record.decided).toBe(true);
  expect(new Set(votes.map(({ voter }) => voter)).size).toBe(voterCount);
  expectVoteByVote(votes, cast);
}, 120_000);

test('a deadline is kept once, though every gateway is another by then and the worker that had it is dead', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const url = { REDIS_URL: redis.url };
  const first = await Promise.all([startGatewayProcess(url), startGatewayProcess(url)]);
  const holder = startQueueProcess(redis.url, 1, 'deadlines');
  await expect.poll(() => holder.lines, { timeout: 20_000 }).toContain('ready');
  const http = httpOf(`http://127.0.0.1:${first[0].port}`);
  const proposed = { proposal: 'p', title: '?', quorum: 1, voters: ['a', 'b'], deadlineMs: 500 };
  expect((await http('POST', '/v1/swarms/s/proposals', proposed)).status).toBe(201);
  await http('POST', '/v1/swarms/s/proposals/p/votes', { voter: 'a', vote: 'no' });
  await Promise.all(first.map((gateway) => gateway.kill()));
  const [again] = await Promise.all([startGatewayProcess(url), startGatewayProcess(url)]);
  await expect.poll(() => holder.lines, { timeout: 10_000 }).toContainEqual(expect.stringMatching(/^begun s\.p\./));
  await holder.kill();
  await Promise.all([startWorkerProcess(url), startWorkerProcess(url)]);
  // Nobody asks for the proposal: that would decide it.
  await expect
    .poll(async () => (await told(again.http, 'swarm.s.consensus')).length, { timeout: 30_000 })
    .toBeGreaterThan(0);
  const { record } = await expectExact(again.http, 's');
  expect(record).toMatchObject({ decided: true, accepted: false, tally: { yes: 0, no: 1, abstain: 0 } });
}, 120_000);

/** Voters who go on until they are told that it is too late. Gives back how many votes were counted before. */
async function raceDeadline(clients: readonly AgentwireClient[], http: Http): Promise<number> {
  const swarms = Array.from({ length: 10 }, (_, i) => `s${i}`);
  const counted = await Promise.all(
    swarms.map(async (swarm, i) => {
      const proposed = { swarm, proposal: 'p', title: '?', deadlineMs: 200 + 20 * i };
      await clients[0]!.request({ type: 'swarm.propose', ...proposed });
      const cast = new Map<string, { vote: string; outcome: Outcome }[]>();
      await Promise.all(
        clients.map(async (client, voter) => {
          const own: { vote: string; outcome: Outcome }[] = [];
          cast.set(`v${voter}`, own);
          for (let turn = 0; own.at(-1)?.outcome !== 'conflict'; turn += 1) {
            const option = options[(turn + voter) % options.length]!;
            own.push({ vote: option, outcome: await vote(client, swarm, { voter: `v${voter}`, vote: option }) });
            await sleep(5);
          }
        }),
      );
      const { votes } = await expectExact(http, swarm);
      expectVoteByVote(votes, cast);
      return votes.length;
    }),
  );
  return counted.reduce((sum, votes) => sum + votes, 0);
}

test('votes that race the deadline at two gateways are counted before it, or come too late', async () => {
  const { gateways, http } = await startRunCluster({ env });
  const clients = await Promise.all([0, 1, 0, 1].map((i) => libraryAt(gateways[i]!.port)));
  expect(await raceDeadline(clients, http)).toBeGreaterThan(0);
}, 60_000);

test('in one process on the memory engine, crowds and deadlines alike', async () => {
  const { port, http } = await startStandalone();
  const clients = await Promise.all([1, 2, 3, 4].map(() => libraryAt(port)));
  expect(await raceDeadline(clients, http)).toBeGreaterThan(0);
  const voters = Array.from({ length: 500 }, (_, i) => `v${i}`);
  await clients[0]!.request({ type: 'swarm.propose', swarm: 's', proposal: 'p', title: '?', voters });
  await Promise.all(voters.map((voter, i) => vote(clients[i % 4]!, 's', { voter, vote: i % 3 === 0 ? 'no' : 'yes' })));
  expect((await expectExact(http, 's')).record).toMatchObject({ accepted: true, reason: 'threshold_reached' });
  await clients[0]!.request({ type: 'swarm.propose', swarm: 'alone', proposal: 'p', title: '?', deadlineMs: 50 });
  await expect.poll(async () => (await told(http, 'swarm.alone.consensus')).length, { timeout: 10_000 }).toBe(1);
}, 60_000);
