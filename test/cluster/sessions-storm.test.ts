import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { createEngine } from '../../shared/engine/create-engine.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import { startRunCluster } from '../support/run-cluster.ts';
import { seeded } from '../support/seeded.ts';
import { faultsOfSessions, remainsOf } from '../support/session-audit.ts';
import { SessionLedger } from '../support/session-ledger.ts';
import { libraryAt } from '../support/session-places.ts';

const seed = Number(process.env['SESSION_STORM_SEED'] ?? Date.now() % 1_000_000);
/** More for the full measure. */
const kills = Number(process.env['SESSION_STORM'] ?? 4);
const writers = 6;
/** Each of them has this many under way at once. */
const hands = 4;
/** All that is told of a session is kept, to be held against what is there. */
const env = { AGENTWIRE_HISTORY_SIZE: '1000000' };

/** Writes without a pause, until it is told to end; what is under way then is waited for. */
async function storm(port: number, ledger: SessionLedger): Promise<{ end: () => Promise<void> }> {
  let stormy = true;
  const clients = await Promise.all(Array.from({ length: writers }, () => libraryAt(port)));
  const writing = clients.flatMap((client) =>
    Array.from({ length: hands }, async () => {
      while (stormy) await ledger.write(client);
    }),
  );
  return {
    async end() {
      stormy = false;
      await Promise.all(writing);
    },
  };
}

const countOf = (ledger: SessionLedger, word: string): number =>
  [...ledger.tally].reduce((sum, [kind, count]) => sum + (kind.endsWith(word) ? count : 0), 0);

async function moreDone(ledger: SessionLedger, count: number): Promise<void> {
  const before = countOf(ledger, ' done');
  await expect.poll(() => countOf(ledger, ' done') - before, { timeout: 60_000 }).toBeGreaterThan(count);
}

it(`gateways die in a storm of writes, and leave whole records only (SESSION_STORM_SEED=${seed})`, async () => {
  const random = seeded(seed);
  const cluster = await startRunCluster({ workers: 0, env, random });
  const ledger = new SessionLedger(random);
  const { end } = await storm(cluster.balancer.port, ledger);
  for (let i = 0; i < kills; i += 1) {
    await moreDone(ledger, 100);
    await sleep(random() * 100);
    await cluster.replaceGateway(i % 2, 'kill');
  }
  await moreDone(ledger, 100);
  await end();

  const [here, there] = await Promise.all(cluster.gateways.map(({ port }) => libraryAt(port)));
  expect(await faultsOfSessions(here!, ledger)).toEqual([]);
  expect(await faultsOfSessions(there!, ledger)).toEqual([]);
  expect(countOf(ledger, ' unknown')).toBeGreaterThan(0);
  for (const kind of [
    'session.create',
    'session.delete',
    'checkpoint.create',
    'checkpoint.restore',
    'checkpoint.delete',
  ])
    expect([kind, ledger.tally.get(`${kind} done`)]).not.toContain(undefined);

  const engine = createEngine({
    redisUrl: cluster.redisUrl,
    historySize: 1000,
    historyTtlMs: 60_000,
    metaTtlMs: 60_000,
  });
  await engine.start();
  onTestFinished(() => engine.stop());
  const gone = [...ledger.sessions].filter(([, fate]) => fate !== 'there');
  const found = new Set<string>();
  for await (const { session } of here!.sessions.list()) found.add(session);
  for (const [session] of gone) {
    if (!found.has(session)) expect(await remainsOf(here!, engine.records, session, ledger)).toEqual([]);
  }
}, 180_000);

it(`a storm of writes in one process (SESSION_STORM_SEED=${seed})`, async () => {
  const { port } = await startGatewayProcess(env, 'standalone');
  const ledger = new SessionLedger(seeded(seed));
  const { end } = await storm(port, ledger);
  await moreDone(ledger, 500);
  await end();
  expect(await faultsOfSessions(await libraryAt(port), ledger)).toEqual([]);
  expect(countOf(ledger, ' unknown')).toBe(0);
}, 120_000);
