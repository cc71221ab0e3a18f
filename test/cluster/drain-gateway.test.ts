import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import { AgentwireClient } from '../../shared/client/index.ts';
import { join } from '../support/client.ts';
import type { TestClient } from '../support/client.ts';
import { BareMember, LibraryMember, SseMember } from '../support/drain-members.ts';
import type { Member } from '../support/drain-members.ts';
import { frontDoorName, openFrontDoor } from '../support/front-door.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { startRedis } from '../support/redis-server.ts';

/** 1,000 for the full measure. */
const clients = Number(process.env['DRAIN_CLIENTS'] ?? 100);
const drainMs = clients > 100 ? 10_000 : 6000;
/** What a drain may take beyond its time: see docs/operations.md. */
const overtimeMs = 5000;
const topics = Array.from({ length: 10 }, (_, i) => `drain.${i}`);
const patience = { timeout: 60_000, interval: 50 };

it(`${clients} clients behind ${frontDoorName} lose and repeat nothing when one of three gateways drains`, async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const env = { REDIS_URL: redis.url, AGENTWIRE_HISTORY_SIZE: '100000', AGENTWIRE_DRAIN_MS: String(drainMs) };
  const gateways = await Promise.all([1, 2, 3].map(() => startGatewayProcess(env)));
  const [leaving, staying] = gateways as [GatewayProcess, GatewayProcess];
  const port = await openFrontDoor(gateways.map((gateway) => gateway.port));

  const members = Array.from({ length: clients }, (_, i) => memberOf(i, port));
  // A few at a time: a thousand at once would be a storm of its own.
  for (let from = 0; from < clients; from += 50) {
    await Promise.all(members.slice(from, from + 50).map((member) => member.start()));
  }
  const chats = await Promise.all([1, 2, 3].map(() => join(leaving.port, { path: '/ws', bare: true })));
  const there = await figure(leaving, 'agentwire_connections');
  expect(there).toBeGreaterThan(clients / 5);

  const load = publishAll(port);
  await sleep(500);
  const began = performance.now();
  leaving.signal('SIGTERM');
  const seen = await whatIsSeen(leaving);
  expect(await leaving.exited).toBe(0);
  const tookMs = performance.now() - began;
  expect(tookMs).toBeLessThan(drainMs + overtimeMs);
  expect(seen).toMatchObject({ ready: 503, alive: 200, upgrade: 503, draining: 1 });
  await expectClosed(chats);
  await sleep(500);
  const published = await load();

  for (const member of members) {
    for (const topic of member.topics) {
      await vi.waitFor(() => expect(member.seen.get(topic)?.length ?? 0).toBe(published.get(topic)!.length), patience);
      expect(member.seen.get(topic)).toEqual(await historyOf(staying, topic));
    }
    expect(member.faults).toEqual([]);
  }
  // Each of its clients came back once, and nobody else had to.
  const back = members.flatMap(({ backAt }) => backAt.map((at) => at - began));
  expect(back).toHaveLength(there - chats.length);
  expectSpread(members.flatMap(({ told }) => told));
  report(members, back, tookMs, seen.refused);
}, 240_000);

/** Two fifths are the library; of the bare ones some heed goaway and some wait to be closed; a tenth takes SSE. */
function memberOf(i: number, port: number): Member {
  const format = i % 3 === 0 ? 'msgpack' : 'json';
  const one = [topics[i % topics.length]!];
  // One in ten follows everything.
  const followed = i % 10 === 5 ? topics : one;
  if (i % 10 === 9) return new SseMember(port, one[0]!);
  return i % 5 < 2 ? new LibraryMember(port, followed, format) : new BareMember(port, followed, format, i % 5 === 2);
}

/** Publishes steadily by the library, through the same door; what is given back ends it, and says what was acknowledged. */
function publishAll(port: number): () => Promise<Map<string, string[]>> {
  const acked = new Map(topics.map((topic) => [topic, [] as string[]]));
  let publishing = true;
  const publishers = [0, 1].map(async (n) => {
    const client = new AgentwireClient({ url: `ws://127.0.0.1:${port}`, WebSocket });
    onTestFinished(() => client.close());
    await client.connect();
    const answers: Promise<unknown>[] = [];
    for (let i = 0; publishing; i += 1) {
      const topic = topics[i % topics.length]!;
      const data = `${n} ${i}`;
      answers.push(client.publish(topic, data).then(() => acked.get(topic)!.push(data)));
      await sleep(20);
    }
    await Promise.all(answers);
  });
  return async () => {
    publishing = false;
    await Promise.all(publishers);
    return acked;
  };
}

interface Looked {
  ready: number;
  alive: number;
  upgrade: number;
  draining: number;
  refused: number;
}

/** What it says of itself while it drains, until it answers no more. */
async function whatIsSeen(gateway: GatewayProcess): Promise<Looked> {
  const { http, port } = gateway;
  const looked: Looked = { ready: 0, alive: 0, upgrade: 0, draining: 0, refused: 0 };
  while ((await http('GET', '/readyz')).status === 200);
  looked.ready = (await http('GET', '/readyz')).status;
  looked.alive = (await http('GET', '/healthz')).status;
  looked.draining = await figure(gateway, 'agentwire_draining');
  looked.upgrade = await join(port).then(
    () => 101,
    (error: unknown) => (error as { status?: number }).status ?? 0,
  );
  for (;;) {
    try {
      // Ours is among them.
      looked.refused = (await figure(gateway, 'agentwire_connections_refused_total\\{reason="draining"\\}')) - 1;
    } catch {
      return looked;
    }
    await sleep(200);
  }
}

async function figure({ http }: GatewayProcess, name: string): Promise<number> {
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec((await http('GET', '/metrics')).text)?.[1]);
}

async function historyOf({ http }: GatewayProcess, topic: string): Promise<unknown[]> {
  const all: unknown[] = [];
  for (let more = true; more;) {
    const page = (await http('GET', `/v1/topics/${topic}/events?after=${all.length}&limit=1000`)).json<{
      events: { data: unknown }[];
      more: boolean;
    }>();
    all.push(...page.events.map(({ data }) => data));
    more = page.more;
  }
  return all;
}

/** Clients of a dialect without a word for it. */
async function expectClosed(chats: readonly TestClient[]): Promise<void> {
  for (const chat of chats) expect(await chat.end()).toMatchObject({ code: 1001 });
}

/** No tenth of the time in which clients are told to leave has more than its share of them. */
function expectSpread(told: readonly number[]): void {
  const from = drainMs / 4;
  const to = (from + drainMs) / 2;
  const tenths = Array.from({ length: 10 }, () => 0);
  for (const after of told) tenths[Math.min(9, Math.floor(((after - from) / (to - from)) * 10))]! += 1;
  expect(Math.min(...told)).toBeGreaterThanOrEqual(Math.floor(from));
  expect(Math.max(...told)).toBeLessThanOrEqual(to);
  // Of all connections one in ten takes SSE, a few chat, and they are told nothing: chance moves a few between tenths.
  expect(Math.max(...tenths)).toBeLessThanOrEqual(Math.ceil(told.length / 10) * 1.5 + 3);
}

function report(members: readonly Member[], back: readonly number[], tookMs: number, refused: number): void {
  if (process.env['DRAIN_CLIENTS'] === undefined) return;
  const tenths = Array.from({ length: 10 }, () => 0);
  for (const at of back) tenths[Math.min(9, Math.floor((at / drainMs) * 10))]! += 1;
  const sse = members.reduce((sum, member) => sum + (member instanceof SseMember ? member.refusals : 0), 0);
  const figures = { clients, left: back.length, tookMs: Math.round(tookMs), backInEachTenth: tenths, refused, sse };
  process.stderr.write(`${JSON.stringify(figures)}\n`);
}
