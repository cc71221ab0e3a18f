import { Redis } from 'ioredis';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { AgentwireClient } from '../../shared/client/index.ts';
import { join } from '../support/client.ts';
import { startRedis } from '../support/redis-server.ts';
import { startRun, startRunCluster } from '../support/run-cluster.ts';
import { recordOf, whenRun } from '../support/run-history.ts';
import { listen } from '../support/sse.ts';

const patience = { timeout: 30_000, interval: 50 };

test('when Redis comes back without its data, whoever follows a run hears that it is gone', async () => {
  const redis = await startRedis();
  const { http, gateways } = await startRunCluster({ redis, workers: 1 });
  const port = gateways[0]?.port ?? 0;
  const client = new AgentwireClient({ url: `ws://127.0.0.1:${port}`, WebSocket });
  onTestFinished(() => client.close());
  await client.connect();

  // One that says something all the time, one that waits for somebody, and one that nobody has begun.
  const runs = [
    client.run('countdown', { from: 100_000, intervalMs: 20 }),
    client.run('approval', { call: 'anything' }),
    client.run('where', null, { session: (await client.sessions.create()).session }),
  ];
  const { invocation } = await startRun(http, { agent: 'approval', input: null });
  runs.push(client.attach(invocation));
  const results = runs.map((run) =>
    run.result().then(
      () => 'resolved',
      ({ code }: { code: string }) => code,
    ),
  );
  await whenRun(http, invocation, ({ state }) => state === 'waiting_approval');

  const bare = await join(port);
  await bare.request({ type: 'attach', invocation });
  await bare.gather(1);
  const stream = await listen(port, `/v1/runs/${invocation}/events`);
  await stream.gather(1);
  const agentRun = await join(port, { path: '/api/v1/sessions/s1/run/ws', bare: true });
  agentRun.sendAsIs({ type: 'run', agent: 'approval', newMessage: { parts: [{ text: 'go' }] } });
  await agentRun.gather(1);

  await redis.restart();
  expect(await Promise.all(results)).toEqual(results.map(() => 'not_found'));
  await vi.waitFor(
    () =>
      expect(bare.of('dropped')).toEqual([{ type: 'dropped', topic: `run.${invocation}`, epoch: '', reason: 'epoch' }]),
    patience,
  );
  await agentRun.waitFor(({ type }) => type === 'error');
  await stream.end();
  expect(stream.dropped).toMatchObject([{ epoch: '' }]);
  expect((await http('GET', `/v1/runs/${invocation}`)).status).toBe(404);
  // Nothing is held for them any more.
  await vi.waitFor(async () => {
    const metrics = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(await metrics.text()).toMatch(/^agentwire_subscriptions 0$/m);
  }, patience);
});

test('a run whose numbering runs out while it waits for somebody goes on, for all who follow it', async () => {
  const redis = await startRedis();
  const { http, gateways } = await startRunCluster({ redis, workers: 1 });
  const ports = gateways.map(({ port }) => port);
  const port = ports[0] ?? 0;
  const client = new AgentwireClient({ url: `ws://127.0.0.1:${port}`, WebSocket });
  onTestFinished(() => client.close());
  await client.connect();

  const agentRun = await join(port, { path: '/api/v1/sessions/s1/run/ws', bare: true });
  agentRun.sendAsIs({ type: 'run', agent: 'approval', newMessage: { parts: [{ text: 'go' }] } });
  const { invocationId } = await agentRun.waitFor(({ type }) => type === 'started');
  const started = await startRun(http, { agent: 'approval', input: null });
  const going = [started.invocation, String(invocationId)];
  const lost = await startRun(http, { agent: 'approval', input: null });
  const waits = [...going, lost.invocation].map((run) => whenRun(http, run, (is) => is.state === 'waiting_approval'));
  await Promise.all(waits);
  const result = client.attach(started.invocation).result();
  const bare = await join(port);
  for (const invocation of [started.invocation, lost.invocation]) await bare.request({ type: 'attach', invocation });
  await bare.gather(6);
  const stream = await listen(port, `/v1/runs/${started.invocation}/events`);
  await stream.gather(3);

  // Of these the topics only, of that one all there is: the gateway looks at all of them at once.
  const store = new Redis(redis.url);
  onTestFinished(() => store.disconnect());
  const topics = (await store.keys('*')).filter((key) => /^\w+:[ms]:/.test(key));
  const outlived = topics.filter((key) => going.some((invocation) => key.endsWith(`run.${invocation}`)));
  expect(outlived).toHaveLength(4);
  await store.del(...outlived, ...(await store.keys(`*run.${lost.invocation}*`)));
  await bare.waitFor(({ type }) => type === 'dropped');
  expect(bare.of('dropped')).toMatchObject([{ topic: `run.${lost.invocation}`, epoch: '' }]);
  const late = await Promise.all(ports.map((each) => join(each)));
  for (const each of late) await each.request({ type: 'attach', invocation: started.invocation, after: 3 });

  for (const invocation of going) {
    const { pending } = await recordOf(http, invocation);
    const decision = { call: pending[0]!.call, decision: 'approve' };
    expect((await http('POST', `/v1/runs/${invocation}/approve`, decision)).status).toBe(200);
  }
  expect(await result).toMatchObject({ decision: 'approve' });
  for (const each of [bare, ...late]) {
    const { epoch } = await each.waitFor(({ data }) => (data as { kind?: string })?.kind === 'completed');
    expect(epoch).not.toBe('');
  }
  expect(bare.of('dropped').map(({ topic, epoch }) => [topic, epoch === ''])).toEqual([
    [`run.${lost.invocation}`, true],
    [`run.${started.invocation}`, false],
  ]);
  await stream.end();
  expect(stream.dropped).toHaveLength(1);
  await agentRun.waitFor(({ type }) => type === 'completed');
  expect(agentRun.of('error')).toEqual([]);
});
