import { expect, test } from 'vitest';
import type { HttpRequest, HttpRoute, Reply } from '../../../services/gateway/core/transport.ts';
import { dial, serve, text, turn, until } from './harness.ts';

const says = (body: string): Reply => ({ status: 200, body });

function get(path: string, handle: HttpRoute['handle']): HttpRoute {
  return { method: 'GET', path, handle };
}

/** Answers with the body it got, or with the failure's code. */
const echo: HttpRoute = {
  method: 'POST',
  path: '/echo',
  async handle(request) {
    const body = await request.body();
    return body.ok ? says(text(body.value)) : { status: 413, body: body.code };
  },
};

test('a reply carries its status, headers and body, of text or bytes', async () => {
  const { port } = await serve({
    http: [
      get('/text', () => ({ status: 201, headers: { 'x-mark': 'here' }, body: 'made' })),
      get('/bytes', async () => ({ status: 200, body: Buffer.from([1, 2, 255]) })),
    ],
  });
  const made = await fetch(`http://127.0.0.1:${port}/text`);
  expect([made.status, made.statusText, made.headers.get('x-mark'), await made.text()]).toEqual([
    201,
    'Created',
    'here',
    'made',
  ]);
  const raw = await fetch(`http://127.0.0.1:${port}/bytes`);
  expect([...new Uint8Array(await raw.arrayBuffer())]).toEqual([1, 2, 255]);
});

test('parameters are decoded, query and headers are there after an await', async () => {
  const { port } = await serve({
    http: [
      get('/v1/topics/:topic/events/:seq', async (request) => {
        await turn();
        const { params, query } = request;
        return says(JSON.stringify([params, query.get('after'), request.header('x-mark'), request.remoteAddress]));
      }),
    ],
  });
  const ask = async (path: string): Promise<unknown> =>
    (await fetch(`http://127.0.0.1:${port}${path}`, { headers: { 'X-Mark': 'm' } })).json();
  expect(await ask('/v1/topics/a.b%2Fc%20%C3%BC/events/7?after=1%2B1')).toEqual([
    { topic: 'a.b/c ü', seq: '7' },
    '1+1',
    'm',
    '127.0.0.1',
  ]);
  expect(await ask('/v1/topics/%E0%A4/events/7')).toEqual([{ topic: '%E0%A4', seq: '7' }, null, 'm', '127.0.0.1']);
});

test('what is asked for by no route goes to the one for all others', async () => {
  const { port } = await serve({ http: [get('/here', () => says(''))] });
  const answer = await fetch(`http://127.0.0.1:${port}/nowhere`, { method: 'POST', body: 'x' });
  expect([answer.status, await answer.text()]).toEqual([404, 'no /nowhere']);
});

test('204 has neither a body nor a length, and the connection serves on', async () => {
  const { port } = await serve({
    http: [get('/nothing', () => ({ status: 204, body: '' })), get('/a', () => says('a'))],
  });
  const { socket, text: received } = await dial(port);
  socket.write('GET /nothing HTTP/1.1\r\nHost: x\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => received().endsWith('\r\n\r\na'));
  const [nothing = ''] = received().split('\r\n\r\n');
  expect(nothing).toMatch(/^HTTP\/1.1 204 No Content\r\n/);
  expect(nothing.toLowerCase()).not.toContain('content-length');
});

test('HEAD is answered as GET, without the body', async () => {
  const { port } = await serve({ http: [get('/here', () => ({ ...says('four'), headers: { 'x-mark': 'here' } }))] });
  const answer = await fetch(`http://127.0.0.1:${port}/here`, { method: 'HEAD' });
  expect([answer.status, answer.headers.get('x-mark'), answer.headers.get('content-length')]).toEqual([
    200,
    'here',
    '4',
  ]);
  expect(await answer.text()).toBe('');
});

test('HEAD of a stream opens none', async () => {
  const { port, faults } = await serve({
    http: [
      get('/stream', () => ({
        status: 200,
        headers: { 'content-type': 'text/event-stream' },
        stream() {
          throw new Error('opened');
        },
      })),
    ],
  });
  const answer = await fetch(`http://127.0.0.1:${port}/stream`, { method: 'HEAD' });
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  expect(faults).toEqual([]);
});

test('a method that a known path does not have is 405 and names those it has', async () => {
  const { port } = await serve({
    http: [get('/things', () => says('')), { ...echo, path: '/things' }, get('/things/:id', () => says('')), echo],
  });
  const ask = (path: string, method: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`, { method });
  const things = await ask('/things', 'DELETE');
  expect([things.status, things.headers.get('allow')]).toEqual([405, 'GET, POST, HEAD']);
  expect(await things.json()).toMatchObject({ error: { code: 'bad_request' } });
  expect((await ask('/things/1', 'PUT')).headers.get('allow')).toBe('GET, HEAD');
  const head = await ask('/echo', 'HEAD');
  expect([head.status, await head.text()]).toEqual([405, '']);
});

test('each method has its own handler', async () => {
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
  const { port } = await serve({
    http: methods.map((method) => ({ method, path: '/', handle: (request: HttpRequest) => says(request.method) })),
  });
  for (const method of methods) {
    expect(await (await fetch(`http://127.0.0.1:${port}/`, { method })).text()).toBe(method);
  }
});

test('a handler that throws or rejects is answered with 500, says nothing of the cause, and is reported', async () => {
  const { port, faults } = await serve({
    http: [
      get('/throws', () => {
        throw new Error('secret sync');
      }),
      get('/rejects', () => Promise.reject(new Error('secret async'))),
      get('/fine', () => says('fine')),
    ],
  });
  for (const path of ['/throws', '/rejects']) {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    const body = await answer.text();
    expect(answer.status).toBe(500);
    expect(JSON.parse(body)).toMatchObject({ error: { code: 'internal' } });
    expect(body).not.toContain('secret');
  }
  expect(faults).toHaveLength(2);
  expect(await (await fetch(`http://127.0.0.1:${port}/fine`)).text()).toBe('fine');
});

test('a body is whole however many pieces it comes in, also for a handler that awaits before it looks', async () => {
  const { port } = await serve({
    http: [
      echo,
      {
        method: 'PUT',
        path: '/late',
        async handle(request) {
          for (let i = 0; i < 5; i += 1) await turn();
          const body = await request.body();
          return says(body.ok ? text(body.value) : body.code);
        },
      },
    ],
  });
  const big = 'abc'.repeat(20_000);
  expect(await (await fetch(`http://127.0.0.1:${port}/echo`, { method: 'POST', body: big })).text()).toBe(big);
  expect(await (await fetch(`http://127.0.0.1:${port}/late`, { method: 'PUT', body: big })).text()).toBe(big);
  expect(await (await fetch(`http://127.0.0.1:${port}/echo`, { method: 'POST' })).text()).toBe('');
  const chunked = await dial(port);
  chunked.socket.write('POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n');
  await turn();
  chunked.socket.write('2\r\nde\r\n0\r\n\r\n');
  await until(() => chunked.text().endsWith('abcde'));
});

test('a body over the limit is a failure, as soon as it is known, and the connection ends', async () => {
  const { port } = await serve({ http: [echo], maxFrameBytes: 1_000 });
  const at = await fetch(`http://127.0.0.1:${port}/echo`, { method: 'POST', body: 'x'.repeat(1_000) });
  expect([at.status, await at.text()]).toEqual([200, 'x'.repeat(1_000)]);
  const { socket, text: received } = await dial(port);
  let ended = false;
  socket.on('close', () => {
    ended = true;
  });
  // It announces more than it sends: the answer must not wait for the rest.
  socket.write(`POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n${'x'.repeat(1_001)}`);
  await until(() => received().includes('payload_too_large'));
  expect(received()).toContain('413');
  await until(() => ended);
});

test('a client that leaves in the middle of its body ends the wait for it', async () => {
  const codes: string[] = [];
  const { port, faults } = await serve({
    http: [
      {
        method: 'POST',
        path: '/',
        async handle(request) {
          const body = await request.body();
          if (!body.ok) codes.push(body.code);
          return says('nobody hears this');
        },
      },
    ],
  });
  const { socket } = await dial(port);
  socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc');
  await turn();
  socket.end();
  await until(() => codes.length === 1);
  expect(codes).toEqual(['bad_request']);
  await turn();
  expect(faults).toEqual([]);
});

test('an answer to a client that is gone is dropped', async () => {
  let answer: (reply: Reply) => void = () => {};
  let asked = 0;
  const { port, faults } = await serve({
    http: [
      get('/slow', () => {
        asked += 1;
        return new Promise<Reply>((resolve) => {
          answer = resolve;
        });
      }),
      get('/', () => says('')),
    ],
  });
  const { socket } = await dial(port);
  socket.write('GET /slow HTTP/1.1\r\nhost: x\r\n\r\n');
  await until(() => asked === 1);
  socket.destroy();
  await fetch(`http://127.0.0.1:${port}/`);
  await fetch(`http://127.0.0.1:${port}/`);
  answer(says('late'));
  await turn();
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
  expect(faults).toEqual([]);
});
