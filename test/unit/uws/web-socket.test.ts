import { once } from 'node:events';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Link, Request, UpgradeDecision, WebSocketRoute } from '../../../services/gateway/core/transport.ts';
import { bytes, dial, join, Recorder, serve, text, turn, until } from './harness.ts';

const handler = { message() {}, drained() {}, dropped() {}, alive() {}, closed() {} };

function route(path: string, upgrade: WebSocketRoute['upgrade']): WebSocketRoute {
  return { path, compression: 'off', upgrade };
}

/** What a client is answered that is not let in. */
async function refusal(
  port: number,
  path = '/',
): Promise<{ status: number; headers: Record<string, unknown>; body: string }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  socket.on('error', () => {});
  const [, response] = await once(socket, 'unexpected-response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() };
}

const handshake = (path: string): string =>
  `GET ${path} HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n` +
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n';

test('text and binary messages come in and go out as what they are', async () => {
  const recorder = new Recorder();
  const kinds: boolean[] = [];
  recorder.onMessage = (link, message, binary) => {
    kinds.push(binary);
    link.send(message, binary);
  };
  const { port } = await serve({ webSockets: [recorder] });
  const client = await join(port);
  const echoedKinds: boolean[] = [];
  client.socket.on('message', (_, binary) => echoedKinds.push(binary));
  client.socket.send('text');
  client.socket.send(Buffer.from('bytes'));
  await until(() => client.received.length === 2);
  expect(client.received).toEqual(['text', 'bytes']);
  expect(kinds).toEqual([false, true]);
  expect(echoedKinds).toEqual([false, true]);
});

test('the bytes of a message are gone after the call', async () => {
  const recorder = new Recorder();
  let kept: Uint8Array | undefined;
  recorder.onMessage = (_, message) => {
    kept = message;
  };
  const { port } = await serve({ webSockets: [recorder] });
  (await join(port)).socket.send('text');
  await until(() => kept !== undefined);
  await turn();
  expect(kept).toHaveLength(0);
});

test('the route sees path, parameters, query, headers and address of the upgrade, also after an await', async () => {
  const seen: unknown[] = [];
  const { port } = await serve({
    webSockets: [
      route('/api/:session/ws', async (request: Request): Promise<UpgradeDecision> => {
        await turn();
        seen.push(request.path, request.params['session'], request.query.getAll('a'), request.header('x-mark'));
        seen.push(request.header('absent'), request.remoteAddress);
        return { accept: true, open: () => handler };
      }),
    ],
  });
  await join(port, '/api/a%2Fb/ws?a=1&a=%20', { headers: { 'X-Mark': 'here' } });
  expect(seen).toEqual(['/api/a%2Fb/ws', 'a/b', ['1', ' '], 'here', '', '127.0.0.1']);
});

test('the chosen subprotocol reaches the client, and none is none', async () => {
  const { port } = await serve({
    webSockets: [
      route('/chosen', (request) => {
        const offered = request.header('sec-websocket-protocol').split(/, ?/);
        return { accept: true, protocol: offered[1] ?? '', open: () => handler };
      }),
      route('/none', () => ({ accept: true, open: () => handler })),
    ],
  });
  expect((await join(port, '/chosen', {}, ['one', 'two'])).socket.protocol).toBe('two');
  expect((await join(port, '/none')).socket.protocol).toBe('');
});

test('a refused upgrade is answered with its status, headers and body', async () => {
  const { port } = await serve({
    webSockets: [
      route('/', () => ({ accept: false, reply: { status: 503, headers: { 'retry-after': '7' }, body: 'full' } })),
    ],
  });
  const answer = await refusal(port);
  expect(answer.status).toBe(503);
  expect(answer.headers['retry-after']).toBe('7');
  expect(answer.body).toBe('full');
});

test('an upgrade that throws or rejects is answered with 500 and reported, and the next one is served', async () => {
  const recorder = new Recorder();
  const { port, faults } = await serve({
    webSockets: [
      route('/throws', () => {
        throw new Error('sync');
      }),
      route('/rejects', () => Promise.reject(new Error('async'))),
      recorder,
    ],
  });
  expect((await refusal(port, '/throws')).status).toBe(500);
  expect((await refusal(port, '/rejects')).status).toBe(500);
  expect(faults).toEqual([new Error('sync'), new Error('async')]);
  await join(port);
  expect(recorder.links).toHaveLength(1);
});

test('a client that leaves while its upgrade is decided is never opened', async () => {
  let decide: (decision: UpgradeDecision) => void = () => {};
  let asked = false;
  const opened: Link[] = [];
  const recorder = new Recorder();
  const { port, faults } = await serve({
    webSockets: [
      route('/slow', () => {
        asked = true;
        return new Promise<UpgradeDecision>((resolve) => {
          decide = resolve;
        });
      }),
      recorder,
    ],
  });
  const { socket } = await dial(port);
  socket.write(handshake('/slow'));
  await until(() => asked);
  socket.destroy();
  // The server has seen a later client through, so it has seen the end of this one, too.
  await join(port);
  await join(port);
  decide({ accept: true, open: (link) => (opened.push(link), handler) });
  await turn();
  await join(port);
  expect(opened).toEqual([]);
  expect(faults).toEqual([]);
});

test('a message handler that throws closes that link with 1011, is reported, and harms nobody else', async () => {
  const recorder = new Recorder();
  recorder.onMessage = (link, message) => {
    if (text(message) === 'bad') throw new Error('handler');
    link.send(message, false);
  };
  const { port, faults } = await serve({ webSockets: [recorder] });
  const victim = await join(port);
  const other = await join(port);
  victim.socket.send('bad');
  expect((await victim.closed).code).toBe(1011);
  expect(faults).toEqual([new Error('handler')]);
  expect(recorder.told).toEqual(['closed 1011']);
  other.socket.send('good');
  await until(() => other.received.length === 1);
});

test('an opening that throws closes the link with 1011', async () => {
  const recorder = new Recorder();
  recorder.onOpen = () => {
    throw new Error('open');
  };
  const { port, faults } = await serve({ webSockets: [recorder] });
  expect((await (await join(port)).closed).code).toBe(1011);
  expect(faults).toEqual([new Error('open')]);
});

test('a link closed in its opening tells its handler, and the client gets code and reason', async () => {
  const recorder = new Recorder();
  recorder.onOpen = (link) => link.close(4403, 'not from here');
  const { port } = await serve({ webSockets: [recorder] });
  expect(await (await join(port)).closed).toEqual({ code: 4403, reason: 'not from here' });
  expect(recorder.told).toEqual(['closed 4403']);
});

test('after the close every call does nothing', async () => {
  const recorder = new Recorder();
  const { port, faults } = await serve({ webSockets: [recorder] });
  const client = await join(port);
  const link = recorder.links[0]!;
  link.close(4000, 'done');
  link.close(4001, 'again');
  let ran = false;
  link.cork(() => {
    ran = true;
  });
  link.subscribe('t');
  link.unsubscribe('t');
  link.ping();
  expect([link.send(bytes('x'), false), link.buffered(), link.flush(), ran]).toEqual([false, 0, true, true]);
  expect((await client.closed).code).toBe(4000);
  expect(recorder.told).toEqual(['closed 4000']);
  expect(faults).toEqual([]);
});

test('a client that closes, or vanishes, is told once', async () => {
  const recorder = new Recorder();
  const { port } = await serve({ webSockets: [recorder] });
  (await join(port)).socket.close(4321);
  await until(() => recorder.told.length === 1);
  (await join(port)).socket.terminate();
  await until(() => recorder.told.length === 2);
  expect(recorder.told).toEqual(['closed 4321', 'closed 1006']);
});

test('pings of the client and its answers to ours are signs of life', async () => {
  const recorder = new Recorder();
  const { port } = await serve({ webSockets: [recorder] });
  const client = await join(port);
  client.socket.ping();
  await until(() => recorder.told.length === 1);
  recorder.links[0]!.ping();
  await until(() => recorder.told.length === 2);
  expect(recorder.told).toEqual(['alive', 'alive']);
});

test('a message a little over the limit reaches its handler, one far over it ends the connection', async () => {
  const recorder = new Recorder();
  const sizes: number[] = [];
  recorder.onMessage = (_, message) => sizes.push(message.length);
  const { port } = await serve({ webSockets: [recorder], maxFrameBytes: 10_000 });
  const client = await join(port);
  client.socket.send(Buffer.alloc(10_001));
  await until(() => sizes.length === 1);
  expect(sizes).toEqual([10_001]);
  client.socket.send(Buffer.alloc(100_000));
  expect((await client.closed).code).toBe(1006);
  expect(sizes).toEqual([10_001]);
});

test('compression is negotiated where the route has it, and what a message unfolds to is bounded', async () => {
  const recorder = new Recorder();
  recorder.compression = 'when-offered';
  recorder.onMessage = (link, message, binary) => link.send(message, binary);
  const plain = new Recorder();
  Object.assign(plain, { path: '/plain' });
  const { port } = await serve({ webSockets: [recorder, plain], maxFrameBytes: 10_000 });
  expect((await join(port, '/plain', { perMessageDeflate: true })).socket.extensions).toBe('');
  const client = await join(port, '/', { perMessageDeflate: { threshold: 0 } });
  expect(client.socket.extensions).toContain('permessage-deflate');
  client.socket.send('z'.repeat(9_000));
  await until(() => client.received.length === 1);
  expect(client.received[0]).toBe('z'.repeat(9_000));
  client.socket.send('z'.repeat(1_000_000));
  await client.closed;
  expect(client.received).toHaveLength(1);
});
