import { describe, expect, it } from 'vitest';
import { join } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';
import type { HttpAnswer } from '../../support/in-process.ts';

const codeOf = (answer: HttpAnswer): string => answer.json<{ error: { code: string } }>().error.code;

describe('publishing over HTTP', () => {
  it('answers with the position, and the event reaches who subscribed', async () => {
    const { port, http } = await startGateway();
    const client = await join(port);
    await client.request({ type: 'subscribe', topics: ['a.b'] });
    const answer = await http('POST', '/v1/topics/a.b/publish', { data: { n: 1 }, messageId: 'm' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.json()).toEqual({ topic: 'a.b', seq: 1, epoch: expect.stringMatching(/./) });
    expect((await client.gather(1))[0]).toMatchObject({ topic: 'a.b', seq: 1, data: { n: 1 }, messageId: 'm' });
    const again = await http('POST', '/v1/topics/a.b/publish', { data: 2, messageId: 'm' });
    expect(again.json()).toEqual({ ...answer.json(), duplicate: true });
    const ephemeral = await http('POST', '/v1/topics/a.b/publish', { data: 3, ephemeral: true, messageId: null });
    expect(ephemeral.json()).toEqual({ topic: 'a.b', seq: 0, epoch: '' });
  });

  it.each<[string, string, unknown, number, string]>([
    ['no JSON', 'a.b', '{', 400, 'bad_frame'],
    ['nothing', 'a.b', '', 400, 'bad_frame'],
    ['no map', 'a.b', [1], 400, 'bad_request'],
    ['no data', 'a.b', { messageId: 'm' }, 400, 'bad_request'],
    ['a wrong type', 'a.b', { data: 1, ephemeral: 'yes' }, 400, 'bad_request'],
    ['a key __proto__', 'a.b', '{"data":{"__proto__":1}}', 400, 'bad_frame'],
    ['a bad topic', 'a..b', { data: 1 }, 400, 'bad_request'],
    ['a pattern', 'a.*', { data: 1 }, 400, 'bad_request'],
    ['a topic that is not UTF-8', '%ff', { data: 1 }, 400, 'bad_request'],
    ['a slash in the topic', 'a%2Fb', { data: 1 }, 400, 'bad_request'],
    ['a topic of the system', 'run.x', { data: 1 }, 403, 'forbidden'],
    ['a topic of the system, escaped', '%24x', { data: 1 }, 403, 'forbidden'],
    ['too much', 'a.b', { data: 'x'.repeat(3000) }, 413, 'payload_too_large'],
  ])('refuses %s with the fitting status and code', async (_what, topic, body, status, code) => {
    const { http } = await startGateway({ AGENTWIRE_MAX_FRAME_BYTES: '2048' });
    const answer = await http('POST', `/v1/topics/${topic}/publish`, body);
    expect([answer.status, codeOf(answer)]).toEqual([status, code]);
    expect((await http('GET', '/v1/topics/a.b/events')).json()).toMatchObject({ seq: 0 });
  });

  it('takes its topic from the path and nothing else', async () => {
    const { http } = await startGateway();
    const answer = await http('POST', '/v1/topics/a.b/publish', { data: 1, topic: 'run.x', type: 'hello', id: {} });
    expect(answer.json()).toMatchObject({ topic: 'a.b', seq: 1 });
  });
});

describe('history over HTTP', () => {
  it('is the history of the WebSocket', async () => {
    const { port, http } = await startGateway();
    const client = await join(port);
    for (let i = 0; i < 5; i += 1) await client.request({ type: 'publish', topic: 'a.b', data: i });
    const queries: [string, object][] = [
      ['', {}],
      ['?after=2&limit=2', { after: 2, limit: 2 }],
      ['?reverse=true&limit=2', { reverse: true, limit: 2 }],
      ['?reverse=false&limit=1', { reverse: false, limit: 1 }],
    ];
    for (const [query, fields] of queries) {
      const answer = await http('GET', `/v1/topics/a.b/events${query}`);
      expect(answer.status).toBe(200);
      expect(answer.json()).toEqual(await client.request({ type: 'history', topic: 'a.b', ...fields }));
    }
    expect((await http('GET', '/v1/topics/unknown/events')).json()).toEqual({
      epoch: '',
      seq: 0,
      events: [],
      more: false,
    });
  });

  it('refuses what is no number or out of range', async () => {
    const { http } = await startGateway();
    for (const query of ['after=x', 'after=-1', 'after=1.5', 'limit=0', 'limit=1001', 'limit=', 'after=1e400']) {
      const answer = await http('GET', `/v1/topics/a.b/events?${query}`);
      expect([query, answer.status, codeOf(answer)]).toEqual([query, 400, 'bad_request']);
    }
  });
});

describe('authentication over HTTP', () => {
  const env = { AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'tok-a=alice' };
  const routes: [string, string, unknown][] = [
    ['POST', '/v1/topics/a.b/publish', { data: 1 }],
    ['GET', '/v1/topics/a.b/events', undefined],
    ['GET', '/v1/cluster', undefined],
  ];

  it('takes the token from the header or the query', async () => {
    const { http } = await startGateway(env);
    for (const [method, path, body] of routes) {
      expect((await http(method, path, body, { authorization: 'Bearer tok-a' })).status).toBe(200);
      expect((await http(method, `${path}?token=tok-a`, body)).status).toBe(200);
    }
  });

  it('refuses without a token or with a wrong one, whatever else is wrong', async () => {
    const { http } = await startGateway(env);
    for (const [method, path, body] of routes) {
      for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: 'Basic dG9r' }]) {
        const answer = await http(method, path, body, headers as Record<string, string>);
        expect([answer.status, codeOf(answer)]).toEqual([401, 'unauthenticated']);
      }
    }
    const nonsense = await http('POST', '/v1/topics/a..b/publish', '{');
    expect([nonsense.status, codeOf(nonsense)]).toEqual([401, 'unauthenticated']);
    expect((await http('GET', '/v1/topics/a..b/events?limit=x')).status).toBe(401);
  });

  it('is not asked for by those who watch over the node', async () => {
    const { http } = await startGateway(env);
    for (const path of ['/healthz', '/readyz', '/metrics', '/']) expect((await http('GET', path)).status).toBe(200);
  });
});

describe('the other routes', () => {
  it('tell whether the node lives and is ready', async () => {
    const { http, engine } = await startGateway();
    expect((await http('GET', '/healthz')).json()).toMatchObject({ status: 'alive' });
    expect((await http('GET', '/readyz')).json()).toMatchObject({ status: 'ready' });
    await engine.stop();
    const unready = await http('GET', '/readyz');
    expect([unready.status, unready.json()['status']]).toEqual([503, 'store unavailable']);
    expect((await http('GET', '/healthz')).status).toBe(200);
    await engine.start();
  });

  it('show the figures to Prometheus', async () => {
    const { port, http } = await startGateway();
    const client = await join(port);
    await client.request({ type: 'subscribe', topics: ['a.b', 'c.*'] });
    await client.request({ type: 'publish', topic: 'a.b', data: 1 });
    await client.refusal({ type: 'publish', topic: 'run.x', data: 1 });
    await client.gather(1);
    const { text, headers } = await http('GET', '/metrics');
    expect(headers.get('content-type')).toContain('text/plain');
    const lines = text.split('\n');
    expect(lines).toContain('agentwire_connections 1');
    expect(lines).toContain('agentwire_connections_opened_total{dialect="native"} 1');
    expect(lines).toContain('agentwire_subscriptions 2');
    expect(lines).toContain('agentwire_events_published_total 1');
    expect(lines).toContain('agentwire_events_delivered_total 1');
    expect(lines).toContain('agentwire_requests_total{type="publish",code="ok"} 1');
    expect(lines).toContain('agentwire_requests_total{type="publish",code="forbidden"} 1');
    // What is still to happen for the first time can be seen to.
    expect(lines).toContain('agentwire_connections_opened_total{dialect="sse"} 0');
    expect(lines).toContain('agentwire_connections_opened_total{dialect="agent-runs"} 0');
    expect(lines).toContain('agentwire_requests_total{type="swarm.vote",code="ok"} 0');
    expect(lines).toContain('agentwire_requests_total{type="swarm.vote",code="unavailable"} 0');
    await client.close();
    await client.end();
    expect((await http('GET', '/metrics')).text.split('\n')).toContain('agentwire_subscriptions 0');
  });

  it('show the nodes of the cluster, as the request of the WebSocket does', async () => {
    const { port, http } = await startGateway();
    const client = await join(port);
    const cluster = (await http('GET', '/v1/cluster')).json<{ node: { connections: number }; cluster: object }>();
    expect(cluster.node.connections).toBe(1);
    expect(cluster.cluster).toMatchObject({ nodes: [{ node: expect.any(String) }] });
    expect(Object.keys(await client.request({ type: 'metrics' }))).toEqual(Object.keys(cluster));
  });

  it('answer 404 where there is nothing and 405 to a wrong method', async () => {
    const { http } = await startGateway();
    const unknown = await http('GET', '/v1/nothing');
    expect([unknown.status, codeOf(unknown)]).toEqual([404, 'not_found']);
    expect((await http('POST', '/nothing', { a: 1 })).status).toBe(404);
    const wrong = await http('DELETE', '/healthz');
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    const publish = await http('GET', '/v1/topics/a.b/publish');
    expect([publish.status, publish.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await http('GET', '/v1/ws')).status).toBeGreaterThanOrEqual(400);
  });
});
