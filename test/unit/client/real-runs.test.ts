import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { AgentwireClient } from '../../../shared/client/index.ts';
import type { AgentRunEvent } from '../../../shared/client/index.ts';
import { startBalancer } from '../../support/balancer.ts';
import { startGateway } from '../../support/in-process.ts';
import { startWorker } from '../../support/worker.ts';
import { codeOf } from './harness.ts';

type Format = 'json' | 'msgpack';

/** A gateway and a worker as they are, and a way to cut the client off. */
async function start(format: Format = 'json'): Promise<{ client: AgentwireClient; cut: () => void }> {
  const gateway = await startGateway();
  await startWorker(gateway.engine);
  const balancer = await startBalancer([gateway.port]);
  const client = new AgentwireClient({ url: `ws://127.0.0.1:${balancer.port}`, WebSocket, format });
  onTestFinished(() => client.close());
  await client.connect();
  return { client, cut: () => balancer.cut(1) };
}

async function all(run: AsyncIterable<AgentRunEvent>): Promise<AgentRunEvent[]> {
  const events: AgentRunEvent[] = [];
  for await (const event of run) events.push(event);
  return events;
}

function expectWhole(events: readonly AgentRunEvent[]): void {
  expect(events.filter((event) => event.kind === 'gap')).toEqual([]);
  expect(events.map((event) => 'seq' in event && event.seq)).toEqual(events.map((_, i) => i + 1));
}

test.each<Format>(['json', 'msgpack'])('a run from its start to its result, in %s', async (format) => {
  const { client } = await start(format);
  const run = client.run('echo', 'one two three');
  const events = await all(run);
  expectWhole(events);
  expect(events.map(({ kind }) => kind).filter((kind) => kind !== 'chunk')).toEqual(['queued', 'started', 'completed']);
  expect(await run.text()).toBe('one two three');
  const { state, result } = await run.status();
  expect([state, result]).toEqual(['completed', await run.result()]);
});

test('a run is told as a whole through many cuts, by each of its loops, and to a subscription of the same client', async () => {
  const { client, cut } = await start();
  const words = Array.from({ length: 100 }, (_, i) => `w${i}`).join(' ');
  const run = client.run<string>('echo', { text: words, delayMs: 5 });
  const invocation = await run.invocation;
  const seen: number[] = [];
  await client.subscribe(`run.${invocation}`, ({ seq }) => void seen.push(seq), { since: { seq: 0, epoch: '' } });
  const loops = [all(run), all(client.attach(invocation))];
  let chunks = 0;
  for await (const event of run) {
    if (event.kind === 'chunk' && (chunks += 1) % 20 === 0) cut();
  }
  for (const loop of loops) expectWhole(await loop);
  expect(await run.text()).toBe(words);
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expectWhole(await all(client.attach(invocation)));
});

test('an approval and a cancel take effect, and refusals have their codes', async () => {
  const { client } = await start();
  const asking = client.run('approval', { call: 'anything' });
  for await (const event of asking) {
    if (event.kind === 'approval_required') await asking.approve(event.call, 'reject', { note: 'not today' });
  }
  expect((await asking.status()).state).toBe('completed');
  const long = client.run('countdown', { from: 1000, intervalMs: 20 });
  for await (const event of long) if (event.kind === 'chunk') break;
  await long.cancel('enough');
  expect(await codeOf(long.result())).toBe('cancelled');
  expect(await codeOf(client.run('fail', { message: 'no' }).result())).not.toBe('resolved');
  expect(await codeOf(client.run('nobody', 1).result())).toBe('not_found');
  expect(await codeOf(client.attach('never-was').result())).toBe('not_found');
});

test('the same key is the same run, told from its beginning', async () => {
  const { client } = await start();
  const [first, second] = [1, 2].map((input) => client.run('echo', `${input}`, { key: 'mine' }));
  expect(await second!.invocation).toBe(await first!.invocation);
  expect(await all(second!)).toEqual(await all(first!));
});

test('a client that follows all runs by a pattern starts some as well, and each is whole', async () => {
  const { client, cut } = await start();
  const seen: string[] = [];
  await client.subscribe('run.#', ({ topic, seq }) => void seen.push(`${topic} ${seq}`));
  const runs = Array.from({ length: 20 }, (_, i) => client.run('echo', { text: `a b c ${i}`, delayMs: 3 }));
  await runs[0]!.invocation;
  cut();
  for (const run of runs) expectWhole(await all(run));
  for (const [i, run] of runs.entries()) expect(await run.text()).toBe(`a b c ${i}`);
  expect(new Set(seen).size).toBe(seen.length);
});
