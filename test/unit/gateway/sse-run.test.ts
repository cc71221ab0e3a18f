import { describe, expect, it } from 'vitest';
import { startGateway } from '../../support/in-process.ts';
import type { InProcess } from '../../support/in-process.ts';
import { listen, refusal, until } from '../../support/sse.ts';
import type { SseClient } from '../../support/sse.ts';
import { workerByHand } from '../../support/worker-by-hand.ts';
import type { WorkerByHand } from '../../support/worker-by-hand.ts';

interface Scene extends InProcess {
  worker: WorkerByHand;
  run: string;
  path: string;
}

async function scene(env: Record<string, string> = {}): Promise<Scene> {
  const gateway = await startGateway(env);
  const worker = await workerByHand(gateway.engine, 'echo');
  const started = await gateway.http('POST', '/v1/runs', { agent: 'echo', input: 'hello' });
  const run = started.json<{ invocation: string }>().invocation;
  return { ...gateway, worker, run, path: `/v1/runs/${run}/events` };
}

const kinds = (client: SseClient): unknown[] =>
  client.events.map(({ data }) => (data['data'] as { kind: string }).kind);

describe('the events of a run', () => {
  it('come from the first on, and the stream ends with the run', async () => {
    const { port, worker, run, path } = await scene();
    const client = await listen(port, path);
    expect(client.response.headers).toMatchObject({ 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    await client.gather(1);
    const held = await worker.take(run);
    held.say({ kind: 'chunk', text: 'hello' });
    await client.gather(3);
    expect(client.ended).toBe(false);
    await worker.end(held, { kind: 'completed', result: 'hello' });
    await client.end();
    expect(kinds(client)).toEqual(['queued', 'started', 'chunk', 'completed']);
    expect(client.seqs).toEqual([1, 2, 3, 4]);
    const [first] = client.events;
    expect(first).toMatchObject({
      id: `${String(first!.data['epoch'])}:1`,
      data: { type: 'event', topic: `run.${run}` },
    });
    expect(client.dropped).toEqual([]);
  });

  it.each(['completed', 'cancelled', 'failed'] as const)('end after %s', async (kind) => {
    const { port, http, worker, run, path } = await scene();
    const client = await listen(port, path);
    const held = await worker.take(run);
    // What looks like an end in a chunk is none.
    held.say({ kind: 'chunk', text: '{"data":{"kind":"completed"' });
    held.say({ kind: 'message', role: 'assistant', content: { data: { kind: 'completed' } } });
    await client.gather(4);
    if (kind === 'cancelled') await http('POST', `/v1/runs/${run}/cancel`);
    const error = { code: 'agent_error', message: 'no' };
    await worker.end(held, kind === 'failed' ? { kind, error } : { kind: 'completed', result: 1 });
    await client.end();
    expect(kinds(client).slice(3)).toEqual(['message', kind]);
  });

  it('of one that has ended already are brought, and the response ends', async () => {
    const { http, worker, run, path } = await scene();
    const held = await worker.take(run);
    await worker.end(held, { kind: 'completed', result: 1 });
    const whole = await http('GET', path);
    expect([whole.status, whole.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    expect(whole.text.match(/"kind":"\w+"/g)).toEqual(['"kind":"queued"', '"kind":"started"', '"kind":"completed"']);
    const rest = await http('GET', `${path}?after=2`);
    expect(rest.text.match(/"kind":"\w+"/g)).toEqual(['"kind":"completed"']);
    for (const after of [3, 4, 99]) {
      const nothing = await http('GET', `${path}?after=${after}`);
      expect([after, nothing.status, nothing.text.includes('"kind"')]).toEqual([after, 200, after > 3]);
    }
    expect((await http('HEAD', path)).status).toBe(200);
  });

  it('come once each over any number of cuts, and not again when all have come', async () => {
    const { port, http, worker, run, path } = await scene();
    const held = await worker.take(run);
    const seen: unknown[] = [];
    let id = '';
    for (let round = 0; round < 5; round += 1) {
      const client = await listen(port, path, id === '' ? {} : { 'last-event-id': id });
      held.say({ kind: 'chunk', text: `live ${round}` });
      await client.gather(round === 0 ? 3 : 2);
      client.cut();
      seen.push(...client.seqs);
      id = client.lastId;
      held.say({ kind: 'chunk', text: `missed ${round}` });
    }
    await worker.end(held, { kind: 'completed', result: 1 });
    const last = await listen(port, path, { 'last-event-id': id });
    await last.end();
    seen.push(...last.seqs);
    expect(seen).toEqual(Array.from({ length: 2 + 5 * 2 + 1 }, (_, i) => i + 1));
    expect(last.dropped).toEqual([]);
    // A browser comes back when a stream ends, unless it is answered this.
    const after = await http('GET', path, undefined, { 'last-event-id': last.lastId });
    expect([after.status, after.text]).toEqual([204, '']);
    expect((await http('GET', `${path}?lastEventId=${last.lastId}`)).status).toBe(204);
  });

  it('leave with their headers before any has come', async () => {
    const { port, worker, run, path } = await scene();
    const client = await listen(port, `${path}?after=1`);
    await until(
      () => client.comments > 0 && client.lastId.endsWith(':1'),
      () => 'the first comment and a place to come back to',
    );
    expect(client.all).toEqual([]);
    await worker.end(await worker.take(run), { kind: 'completed', result: 1 });
    await client.end();
    expect(client.seqs).toEqual([2, 3]);
  });

  it('need no Accept, and reach several listeners', async () => {
    const { port, worker, run, path } = await scene();
    const clients = await Promise.all(
      ['text/event-stream', 'application/json'].map((accept) => listen(port, path, { accept })),
    );
    await worker.end(await worker.take(run), { kind: 'completed', result: 1 });
    for (const client of clients) {
      await client.end();
      expect(kinds(client)).toEqual(['queued', 'started', 'completed']);
    }
  });

  it('reach a slow reader to the last one, before the response ends', async () => {
    const { port, worker, run, path } = await scene({ AGENTWIRE_QUEUE: '100000' });
    const client = await listen(port, path);
    client.pause();
    const held = await worker.take(run);
    const text = 'x'.repeat(10_000);
    const chunks = 1000;
    for (let i = 0; i < chunks; i += 1) {
      if (held.full) await held.room();
      held.say({ kind: 'chunk', text });
    }
    // More than fits into a socket at once: the response must not end before the rest of it is written.
    await worker.end(held, { kind: 'completed', result: text.repeat(90) });
    client.resume();
    await client.end();
    expect(client.seqs).toEqual(Array.from({ length: chunks + 3 }, (_, i) => i + 1));
    expect(client.dropped).toEqual([]);
  });

  it('give back what was taken for them', async () => {
    const { port, http, worker, run, path } = await scene();
    const client = await listen(port, path);
    await client.gather(1);
    await worker.end(await worker.take(run), { kind: 'completed', result: 1 });
    await client.end();
    await http('GET', path);
    const { node } = (await http('GET', '/v1/cluster')).json<{ node: object }>();
    expect(node).toMatchObject({ connections: 0, subscriptions: 0, behindConnections: 0 });
  });
});

describe('the events of a run are refused', () => {
  it.each<[string, Record<string, string>, string]>([
    ['an id of another form', { 'last-event-id': 'nonsense' }, ''],
    ['a place that is no number', {}, '?after=x'],
  ])('with %s', async (_what, headers, query) => {
    const { port, path } = await scene();
    expect(await refusal(port, path + query, headers)).toMatchObject({ status: 400, code: 'bad_request' });
  });

  it('to those whom the run is not of, before anything is said of it', async () => {
    const env = { AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'tok-a=alice,tok-b=bob' };
    const gateway = await startGateway(env);
    const worker = await workerByHand(gateway.engine, 'echo');
    const started = await gateway.http('POST', '/v1/runs?token=tok-a', { agent: 'echo', input: 1 });
    const run = started.json<{ invocation: string }>().invocation;
    const path = `/v1/runs/${run}/events`;
    expect(await refusal(gateway.port, path)).toMatchObject({ status: 401, code: 'unauthenticated' });
    expect(await refusal(gateway.port, `${path}?token=tok-b`)).toMatchObject({ status: 404, code: 'not_found' });
    expect(await refusal(gateway.port, `${path}?token=tok-b&after=x`)).toMatchObject({ status: 404 });
    const own = await listen(gateway.port, `${path}?token=tok-a`);
    await worker.end(await worker.take(run), { kind: 'completed', result: 1 });
    await own.end();
    expect(kinds(own)).toEqual(['queued', 'started', 'completed']);
  });

  it('by a gateway that is full', async () => {
    const { port, path } = await scene({ AGENTWIRE_MAX_CONNECTIONS: '1' });
    await listen(port, path);
    expect(await refusal(port, path)).toMatchObject({ status: 503, code: 'busy', retryAfter: '1' });
  });
});
