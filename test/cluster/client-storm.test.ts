import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { AgentwireClient } from '../../shared/client/index.ts';
import type { AgentwireEvent } from '../../shared/client/index.ts';
import { browser } from '../browser/page.ts';
import { PageMember } from '../browser/page-member.ts';
import { startBalancer } from '../support/balancer.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import { startCluster } from '../support/redis-cluster.ts';
import { startRedis } from '../support/redis-server.ts';

/** 1,000 for the full measure. */
const clients = Number(process.env['STORM_CLIENTS'] ?? 100);
const publishes = 20;
const groups = Math.max(4, Math.floor(clients / 20));
const topicsOf = (group: number): string[] => ['a', 'b', 'c'].map((name) => `storm.${group}.${name}`);

/** One application: what it published, what was acknowledged, and what it saw. */
class Member {
  readonly client: AgentwireClient;
  readonly name: string;
  readonly group: number;
  readonly seen = new Map<string, AgentwireEvent<string>[]>();
  readonly acked = new Map<string, string[]>();
  readonly faults: unknown[] = [];
  reconnects = 0;
  count = 0;

  constructor(index: number, port: number) {
    this.name = `m${index}`;
    this.group = index % groups;
    this.client = new AgentwireClient({
      url: `ws://127.0.0.1:${port}`,
      WebSocket,
      format: index % 3 === 0 ? 'msgpack' : 'json',
    });
    onTestFinished(() => this.client.close());
    for (const name of ['gap', 'dropped', 'error'] as const) {
      this.client.on(name, (event: unknown) => void this.faults.push([name, event]));
    }
    this.client.on('connected', ({ again }) => void (this.reconnects += Number(again)));
  }

  /** Half by topics, half by patterns, of which some overlap. */
  async join(pattern: boolean): Promise<void> {
    const handler = (event: AgentwireEvent<string>): void => {
      this.count += 1;
      const events = this.seen.get(event.topic);
      if (events) events.push(event);
      else this.seen.set(event.topic, [event]);
    };
    await this.client.connect();
    if (!pattern) await Promise.all(topicsOf(this.group).map((topic) => this.client.subscribe(topic, handler)));
    else await this.client.subscribe(`storm.${this.group}.#`, handler);
    if (pattern) await this.client.subscribe(`*.${this.group}.a`);
  }

  async publishAll(): Promise<void> {
    const answers: Promise<unknown>[] = [];
    for (let i = 0; i < publishes; i += 1) {
      const group = Math.floor(Math.random() * groups);
      const topic = topicsOf(group)[i % 3]!;
      const data = `${this.name} ${i}`;
      const acked = this.acked.get(topic);
      if (acked) acked.push(data);
      else this.acked.set(topic, [data]);
      answers.push(this.client.publish(topic, data));
      if (i % 4 === 3) await Promise.race([Promise.all(answers), sleep(Math.random() * 400)]);
    }
    await Promise.all(answers);
  }
}

const stores = [
  { on: 'one Redis', start: () => startRedis() },
  { on: 'a Redis Cluster', start: () => startCluster() },
];

const what = `${clients} clients${browser ? ' and one in Chromium' : ''}`;

it.each(stores)(
  `${what} see every event once and in order through cuts, a killed gateway and a drained one, on $on`,
  async ({ start }) => {
    const redis = await start();
    onTestFinished(() => redis.stop());
    const env = { REDIS_URL: redis.url, AGENTWIRE_HISTORY_SIZE: '10000', AGENTWIRE_DRAIN_MS: '2000' };
    const gateways = await Promise.all([1, 2, 3].map(() => startGatewayProcess(env)));
    const balancer = await startBalancer(gateways.map(({ port }) => port));
    const members = Array.from({ length: clients }, (_, i) => new Member(i, balancer.port));
    const page = new PageMember(topicsOf(0), publishes);
    await Promise.all([page.join(balancer.port), ...members.map((member, i) => member.join(i % 2 === 1))]);

    let goaways = 0;
    for (const { client } of members) client.on('goaway', () => void (goaways += 1));
    const replace = async (old: number): Promise<void> => {
      balancer.targets.splice(balancer.targets.indexOf(gateways[old]!.port), 1);
      const end = old === 0 ? gateways[old]!.kill() : gateways[old]!.stop();
      const next = await startGatewayProcess(env);
      balancer.targets.push(next.port);
      await end;
    };
    let publishing = true;
    let cuts = 0;
    const storm = async (): Promise<void> => {
      while (publishing) {
        cuts += balancer.cut(0.05);
        await sleep(100);
      }
    };
    const load = Promise.all([page.publishAll(), ...members.map((member) => member.publishAll())]);
    const weather = storm();
    await replace(0);
    await replace(1);
    await load;
    publishing = false;
    await weather;

    expect(cuts).toBeGreaterThan(clients / 4);
    expect(goaways).toBeGreaterThan(0);
    const truth = await truthOf(members[0]!.client);
    await expectAll(members, truth);
    await page.expectAll(truth);
  },
  300_000,
);

async function truthOf(reader: AgentwireClient): Promise<Map<string, AgentwireEvent[]>> {
  const truth = new Map<string, AgentwireEvent[]>();
  for (let group = 0; group < groups; group += 1) {
    for (const topic of topicsOf(group)) {
      const events: AgentwireEvent[] = [];
      for (let more = true; more;) {
        const page = await reader.history(topic, { after: events.length, limit: 1000 });
        events.push(...(page.events as AgentwireEvent[]));
        more = page.more;
      }
      truth.set(topic, events);
    }
  }
  return truth;
}

async function expectAll(members: readonly Member[], truth: Map<string, AgentwireEvent[]>): Promise<void> {
  // Each publish is there once, in the order in which its client made it.
  for (const member of members) {
    for (const [topic, data] of member.acked) {
      expect(
        truth
          .get(topic)!
          .filter((event) => String(event.data).startsWith(`${member.name} `))
          .map((e) => e.data),
      ).toEqual(data);
    }
  }
  for (const member of members) {
    const owed = topicsOf(member.group).map((topic) => truth.get(topic)!);
    const total = owed.reduce((sum, events) => sum + events.length, 0);
    while (member.count < total) await sleep(20);
    expect([member.name, member.faults]).toEqual([member.name, []]);
    for (const events of owed) {
      const topic = events[0]?.topic ?? '';
      expect(member.seen.get(topic)?.map(({ seq, data }) => [seq, data])).toEqual(
        events.map(({ seq, data }) => [seq, data]),
      );
    }
    expect(member.count).toBe(total);
  }
}
