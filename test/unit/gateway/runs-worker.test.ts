import { describe, expect, it } from 'vitest';
import { startGateway } from '../../support/in-process.ts';
import type { InProcess } from '../../support/in-process.ts';
import { listen } from '../../support/sse.ts';
import type { SseClient } from '../../support/sse.ts';
import { startWorker } from '../../support/worker.ts';

type Data = { kind: string } & Record<string, unknown>;

const heard = (client: SseClient): Data[] => client.events.map(({ data }) => data['data'] as Data);

/** Starts a run and listens to it. */
async function start(gateway: InProcess, body: Record<string, unknown>): Promise<{ run: string; client: SseClient }> {
  const answer = await gateway.http('POST', '/v1/runs', body);
  expect(answer.status).toBe(201);
  const run = answer.json<{ invocation: string }>().invocation;
  return { run, client: await listen(gateway.port, `/v1/runs/${run}/events`) };
}

async function comes(client: SseClient, kind: string): Promise<Data> {
  for (let count = 1; ; count += 1) {
    await client.gather(count);
    const found = heard(client).find((data) => data.kind === kind);
    if (found) return found;
  }
}

describe('with a worker, over HTTP', () => {
  it('a run streams what the agent says, and its record has the result', async () => {
    const gateway = await startGateway();
    await startWorker(gateway.engine);
    const input = 'hello  big\nworld ';
    const { run, client } = await start(gateway, { agent: 'echo', input });
    await client.end();
    const data = heard(client);
    const chunks = data.filter(({ kind }) => kind === 'chunk');
    expect(chunks.map(({ text }) => text).join('')).toBe(input);
    expect(data.map(({ kind }) => kind)).toEqual(['queued', 'started', ...chunks.map(() => 'chunk'), 'completed']);
    const status = (await gateway.http('GET', `/v1/runs/${run}`)).json<{ invocation: object }>();
    expect(status.invocation).toMatchObject({ state: 'completed', result: input, attempt: 1 });
  });

  it('a cancel stops the agent, and is the last that is heard of it', async () => {
    const gateway = await startGateway();
    await startWorker(gateway.engine);
    const { run, client } = await start(gateway, { agent: 'countdown', input: { from: 100_000, intervalMs: 10 } });
    await comes(client, 'chunk');
    const answer = await gateway.http('POST', `/v1/runs/${run}/cancel`, { reason: 'enough' });
    expect(answer.json()).toEqual({ invocation: run, state: 'running' });
    await client.end();
    expect(heard(client).at(-1)).toEqual({ kind: 'cancelled', reason: 'enough' });
  });

  it('a pause holds the agent until it is resumed', async () => {
    const gateway = await startGateway();
    await startWorker(gateway.engine);
    const { run, client } = await start(gateway, { agent: 'countdown', input: { from: 20, intervalMs: 10 } });
    await comes(client, 'chunk');
    await gateway.http('POST', `/v1/runs/${run}/pause`);
    await comes(client, 'paused');
    const before = client.events.length;
    expect(await gateway.http('GET', `/v1/runs/${run}`).then(({ text }) => text)).toContain('"state":"paused"');
    await gateway.http('POST', `/v1/runs/${run}/resume`);
    await client.end();
    expect(heard(client)[before]).toEqual({ kind: 'resumed' });
    const said = heard(client).filter(({ kind }) => kind === 'chunk');
    expect(said).toHaveLength(20);
    expect(heard(client).at(-1)).toMatchObject({ kind: 'completed' });
  });

  it('an approval lets the agent go on, and the session has what was said', async () => {
    const gateway = await startGateway();
    await startWorker(gateway.engine);
    await gateway.http('POST', '/v1/sessions', { session: 's-1' });
    const input = { name: 'delete', args: { path: 'a' } };
    const { run, client } = await start(gateway, { agent: 'approval', input, session: 's-1' });
    const { call } = await comes(client, 'approval_required');
    const decision = { call, decision: 'approve', note: 'go', input: { path: 'b' } };
    expect((await gateway.http('POST', `/v1/runs/${run}/approve`, decision)).json()).toEqual({ invocation: run, call });
    await client.end();
    expect(await comes(client, 'approved')).toEqual({ kind: 'approved', call, note: 'go' });
    expect(heard(client).at(-1)).toMatchObject({
      kind: 'completed',
      result: { decision: 'approve', args: { path: 'b' } },
    });
    await expect
      .poll(async () => (await gateway.http('GET', '/v1/sessions/s-1/messages')).json()['messages'])
      .toMatchObject([
        { role: 'user', content: input, invocation: run },
        { role: 'assistant', invocation: run },
      ]);
  });
});
