import { describe, expect, it } from 'vitest';
import { join } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';
import type { HttpAnswer, InProcess } from '../../support/in-process.ts';
import { workerByHand } from '../../support/worker-by-hand.ts';

const codeOf = (answer: HttpAnswer): string => answer.json<{ error: { code: string } }>().error.code;

async function start(gateway: InProcess, fields: Record<string, unknown> = {}): Promise<string> {
  const answer = await gateway.http('POST', '/v1/runs', { agent: 'echo', input: 'hello', ...fields });
  expect(answer.status).toBe(201);
  return answer.json<{ invocation: string }>().invocation;
}

describe('runs over HTTP', () => {
  it('are started with 201, and found again by their key with 200', async () => {
    const gateway = await startGateway();
    await workerByHand(gateway.engine, 'echo');
    const first = await gateway.http('POST', '/v1/runs', { agent: 'echo', input: null, key: 'k', attach: true });
    const result = first.json<{ invocation: string }>();
    expect(first.status).toBe(201);
    expect(result).toEqual({ invocation: result.invocation, topic: `run.${result.invocation}`, state: 'queued' });
    const again = await gateway.http('POST', '/v1/runs', { agent: 'echo', input: 'other', key: 'k' });
    expect([again.status, again.json()]).toEqual([200, { ...result, duplicate: true }]);
  });

  it('are the runs of the WebSocket', async () => {
    const gateway = await startGateway();
    await workerByHand(gateway.engine, 'echo');
    const client = await join(gateway.port);
    await gateway.http('POST', '/v1/sessions', { session: 's-1' });
    const ids = [await start(gateway), await start(gateway, { session: 's-1' }), await start(gateway)];
    expect((await gateway.http('GET', `/v1/runs/${ids[0]}`)).json()).toEqual(
      await client.request({ type: 'status', invocation: ids[0] }),
    );
    const queries: [string, object][] = [
      ['', {}],
      ['?session=s-1', { session: 's-1' }],
      ['?state=queued&limit=2', { state: 'queued', limit: 2 }],
      ['?state=failed', { state: 'failed' }],
    ];
    for (const [query, fields] of queries) {
      const answer = await gateway.http('GET', `/v1/runs${query}`);
      expect(answer.status).toBe(200);
      expect(answer.json()).toEqual(await client.request({ type: 'runs', ...fields }));
    }
    const page = (await gateway.http('GET', '/v1/runs?limit=2')).json<{ cursor: string }>();
    const next = await gateway.http('GET', `/v1/runs?limit=2&cursor=${encodeURIComponent(page.cursor)}`);
    expect(next.json()).toMatchObject({ invocations: [{ invocation: ids[0] }] });
  });

  it('are cancelled, paused and resumed, with a body or without', async () => {
    const gateway = await startGateway();
    await workerByHand(gateway.engine, 'echo');
    const run = await start(gateway);
    const control = async (what: string, body?: unknown): Promise<unknown> => {
      const answer = await gateway.http('POST', `/v1/runs/${run}/${what}`, body);
      expect([what, answer.status]).toEqual([what, 200]);
      return answer.json();
    };
    expect(await control('pause')).toEqual({ invocation: run, state: 'paused' });
    expect(await control('resume', {})).toEqual({ invocation: run, state: 'queued' });
    expect(await control('pause', { invocation: 'another', type: 'cancel' })).toMatchObject({ state: 'paused' });
    expect(await control('cancel', { reason: 'enough' })).toEqual({ invocation: run, state: 'cancelled' });
    for (const what of ['cancel', 'pause', 'resume']) {
      const refused = await gateway.http('POST', `/v1/runs/${run}/${what}`);
      expect([refused.status, codeOf(refused)]).toEqual([409, 'conflict']);
    }
  });

  it('are approved', async () => {
    const gateway = await startGateway();
    const worker = await workerByHand(gateway.engine, 'echo');
    const run = await start(gateway);
    const held = await worker.take(run);
    await held.ask({ call: 'c-1', name: 'delete', args: 1 });
    const decision = { call: 'c-1', decision: 'approve', input: null };
    const answer = await gateway.http('POST', `/v1/runs/${run}/approve`, decision);
    expect([answer.status, answer.json()]).toEqual([200, { invocation: run, call: 'c-1' }]);
    const again = await gateway.http('POST', `/v1/runs/${run}/approve`, decision);
    expect([again.status, codeOf(again)]).toEqual([409, 'conflict']);
    const unknown = await gateway.http('POST', `/v1/runs/${run}/approve`, { ...decision, call: 'c-2' });
    expect([unknown.status, codeOf(unknown)]).toEqual([404, 'not_found']);
  });
});

describe('what cannot be', () => {
  it.each<[string, unknown, number, string]>([
    ['nothing', '', 400, 'bad_frame'],
    ['no JSON', '{', 400, 'bad_frame'],
    ['no map', [1], 400, 'bad_request'],
    ['no agent', { input: 1 }, 400, 'bad_request'],
    ['no input', { agent: 'echo' }, 400, 'bad_request'],
    ['an agent that nobody has', { agent: 'nobody', input: 1 }, 404, 'not_found'],
    ['an agent of a bad name', { agent: 'a.b', input: 1 }, 400, 'bad_request'],
    ['a priority out of range', { agent: 'echo', input: 1, priority: 10 }, 400, 'bad_request'],
    ['a whenBusy that is none', { agent: 'echo', input: 1, whenBusy: 'later' }, 400, 'bad_request'],
    ['no time at all', { agent: 'echo', input: 1, timeoutMs: 0 }, 400, 'bad_request'],
    ['a session that there is not', { agent: 'echo', input: 1, session: 'nothing' }, 404, 'not_found'],
    ['more than fits', { agent: 'echo', input: 'x'.repeat(3000) }, 413, 'payload_too_large'],
  ])('a run is not started with %s', async (_what, body, status, code) => {
    const gateway = await startGateway({ AGENTWIRE_MAX_FRAME_BYTES: '2048' });
    await workerByHand(gateway.engine, 'echo');
    const answer = await gateway.http('POST', '/v1/runs', body);
    expect([answer.status, codeOf(answer)]).toEqual([status, code]);
    expect((await gateway.http('GET', '/v1/runs')).json()).toEqual({ invocations: [] });
  });

  it('is refused by status and code, whatever stands in the path', async () => {
    const { http, logged } = await startGateway();
    const answers: [string, string, unknown, number, string][] = [
      ['GET', '/v1/runs?limit=x', undefined, 400, 'bad_request'],
      ['GET', '/v1/runs?limit=0', undefined, 400, 'bad_request'],
      ['GET', '/v1/runs?state=done', undefined, 400, 'bad_request'],
      ['GET', '/v1/runs?cursor=nonsense', undefined, 400, 'bad_request'],
      ['POST', '/v1/runs/x/approve', '', 400, 'bad_frame'],
      ['POST', '/v1/runs/x/approve', { call: 'c' }, 400, 'bad_request'],
      ['POST', '/v1/runs/x/cancel', { reason: 7 }, 400, 'bad_request'],
      ['POST', '/v1/runs/x/cancel', 'no', 400, 'bad_frame'],
      ['POST', '/v1/runs/x/cancel', [], 400, 'bad_request'],
      ...['nothing', '%ff', 'a.b', '%00', '..%2Fx', '__proto__', '%23', '%F0%9F%98%80'].flatMap(
        (id): [string, string, unknown, number, string][] => [
          ['GET', `/v1/runs/${id}`, undefined, 404, 'not_found'],
          ['GET', `/v1/runs/${id}/events`, undefined, 404, 'not_found'],
          ['POST', `/v1/runs/${id}/cancel`, undefined, 404, 'not_found'],
          ['POST', `/v1/runs/${id}/pause`, undefined, 404, 'not_found'],
          ['POST', `/v1/runs/${id}/resume`, undefined, 404, 'not_found'],
          ['POST', `/v1/runs/${id}/approve`, { call: 'c', decision: 'reject' }, 404, 'not_found'],
        ],
      ),
      ['GET', `/v1/runs/${'x'.repeat(65)}`, undefined, 400, 'bad_request'],
      ['GET', `/v1/runs/${'x'.repeat(65)}/events`, undefined, 404, 'not_found'],
    ];
    for (const [method, path, body, status, code] of answers) {
      const answer = await http(method, path, body);
      expect([method, path, answer.status, codeOf(answer)]).toEqual([method, path, status, code]);
    }
    expect(logged.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('is refused to those who do not say who they are, and hidden from those whom it is not of', async () => {
    const env = { AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'tok-a=alice,tok-b=bob' };
    const gateway = await startGateway(env);
    await workerByHand(gateway.engine, 'echo');
    const [alice, bob] = ['tok-a', 'tok-b'].map((token) => ({ authorization: `Bearer ${token}` }));
    const started = await gateway.http('POST', '/v1/runs', { agent: 'echo', input: 1 }, alice);
    const run = started.json<{ invocation: string }>().invocation;
    const routes: [string, string, unknown][] = [
      ['GET', `/v1/runs/${run}`, undefined],
      ['GET', `/v1/runs/${run}/events`, undefined],
      ['POST', `/v1/runs/${run}/pause`, undefined],
      ['POST', `/v1/runs/${run}/resume`, undefined],
      ['POST', `/v1/runs/${run}/cancel`, undefined],
      ['POST', `/v1/runs/${run}/approve`, { call: 'c', decision: 'reject' }],
    ];
    for (const [method, path, body] of routes) {
      const stranger = await gateway.http(method, path, body);
      expect([path, stranger.status, codeOf(stranger)]).toEqual([path, 401, 'unauthenticated']);
      const other = await gateway.http(method, path, body, bob);
      expect([path, other.status, codeOf(other)]).toEqual([path, 404, 'not_found']);
    }
    for (const [method, path] of [
      ['POST', '/v1/runs'],
      ['GET', '/v1/runs'],
      ['POST', '/v1/sessions'],
    ] as const) {
      expect([path, (await gateway.http(method, path)).status]).toEqual([path, 401]);
    }
    expect((await gateway.http('GET', '/v1/runs', undefined, bob)).json()).toEqual({ invocations: [] });
    const own = await gateway.http('GET', `/v1/runs?token=tok-a`);
    expect(own.json()).toMatchObject({ invocations: [{ invocation: run, state: 'queued' }] });
  });
});
