import { expect, onTestFinished, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { AgentwireClient } from '../../../shared/client/index.ts';
import { codeOf, connected, harness, microtasks } from './harness.ts';
import type { Harness } from './harness.ts';

async function connectedWith(made: Harness): Promise<void> {
  onTestFinished(() => made.client.close());
  void made.client.connect();
  await made.quiet();
  expect(made.client.state).toBe('connected');
}

test('a client says hello with its token and its format before anything else', async () => {
  const made = harness({ token: 'secret' });
  const published = made.client.publish('a', 1);
  await connectedWith(made);
  await published;
  const { protocols, received } = made.server.socket!;
  expect(protocols).toEqual(['agentwire.v1.json']);
  expect(received[0]).toMatchObject({ type: 'hello', versions: [1], token: 'secret' });
  expect(received[1]).toMatchObject({ type: 'publish', topic: 'a' });
  expect(made.told.connected).toEqual([{ connection: 'c1', node: 'fake', identity: 'somebody', again: false }]);
});

test('the pauses before attempts double up to five seconds, and full jitter makes them any part of that', async () => {
  const randoms = [0.99, 0.99, 0.99, 0.99, 0.99, 0.99, 0.99, 0.99, 0, 0.5];
  const made = harness({ random: () => randoms.shift() ?? 0 });
  made.server.away = true;
  void made.client.connect().catch(() => {});
  onTestFinished(() => made.client.close());
  await made.quiet();
  await made.pass(26_000);
  expect(made.told.reconnecting.map(({ delayMs }) => delayMs).slice(0, 10)).toEqual([
    99, 198, 396, 792, 1584, 3168, 4950, 4950, 0, 2500,
  ]);
  expect(made.told.reconnecting.map(({ attempt }) => attempt).slice(0, 3)).toEqual([1, 2, 3]);
});

test('a connection that falls as soon as it stands does not make the pauses small again, one that held does', async () => {
  const made = await connected({ random: () => 0.99 });
  for (let i = 0; i < 4; i += 1) {
    made.server.socket!.cut();
    await made.pass(2000);
  }
  await made.pass(5000);
  made.server.socket!.cut();
  expect(made.told.reconnecting.map(({ delayMs }) => delayMs)).toEqual([99, 198, 396, 792, 99]);
});

test('after the attempts allowed the client stops, rejects what waits, and connects again when it is told to', async () => {
  const made = harness({ maxAttempts: 3 });
  onTestFinished(() => made.client.close());
  made.server.away = true;
  const waiting = [
    made.client.connect(),
    made.client.publish('a', 1),
    made.client.subscribe('a'),
    made.client.history('a'),
  ];
  const codes = Promise.all(waiting.map(codeOf));
  await made.quiet();
  await made.pass(10_000);
  expect(await codes).toEqual(['unavailable', 'unavailable', 'unavailable', 'unavailable']);
  expect(made.client.state).toBe('stopped');
  expect(made.server.sockets).toHaveLength(3);
  expect(made.told.error).toHaveLength(1);
  expect(made.clock.pending).toBe(0);
  expect(await codeOf(made.client.publish('a', 1))).toBe('unavailable');
  made.server.away = false;
  await connectedWith(made);
  const published = made.client.publish('a', 1);
  await made.quiet();
  expect((await published).seq).toBe(1);
});

test('the loss of a connection is no attempt', async () => {
  const made = await connected({ maxAttempts: 1 });
  made.server.socket!.cut();
  await made.pass(1000);
  expect(made.client.state).toBe('connected');
});

test.each([
  [1009, 'payload_too_large'],
  [4400, 'bad_frame'],
  [4401, 'unauthenticated'],
  [4403, 'forbidden'],
])('close code %i stops the client with %s', async (code, expected) => {
  const made = await connected();
  const lost = made.client.request({ type: 'echo' });
  made.server.socket!.cut(code, 'because');
  expect(await codeOf(lost)).toBe('unavailable');
  expect(made.client.state).toBe('stopped');
  expect(made.told.disconnected).toEqual([{ code, reason: 'because', willReconnect: false }]);
  expect(await codeOf(made.client.publish('a', 1))).toBe(expected);
  expect(made.clock.pending).toBe(0);
});

test.each([1000, 1001, 1006, 1011, 4408])('close code %i is followed by a new connection', async (code) => {
  const made = await connected();
  made.server.socket!.cut(code);
  await made.pass(1000);
  expect(made.client.state).toBe('connected');
  expect(made.told.connected.map(({ again }) => again)).toEqual([false, true]);
});

test('one that was told that it floods waits for the longest pause', async () => {
  const made = await connected({ random: () => 0.99 });
  made.server.socket!.cut(4429);
  expect(made.told.reconnecting).toEqual([{ attempt: 1, delayMs: 4950 }]);
});

test('a refused token is asked for anew once, and the client stops when that is refused, too', async () => {
  const asked: boolean[] = [];
  const tokens = ['old', 'new', 'newer', 'newest'];
  const made = harness({
    getToken: ({ refused }) => {
      asked.push(refused);
      return Promise.resolve(tokens.shift()!);
    },
  });
  made.server.mood.tokens = new Set(['new', 'other']);
  const connecting = made.client.connect();
  onTestFinished(() => made.client.close());
  await made.quiet();
  await made.pass(1000);
  await connecting;
  expect(asked).toEqual([false, true]);
  // It runs out while connected, and the callback has nothing better to offer.
  made.server.socket!.cut(4401, 'expired');
  await made.pass(10_000);
  expect(made.client.state).toBe('stopped');
  expect(asked).toEqual([false, true, true]);
});

test('a callback for tokens that fails is reported and tried again', async () => {
  let calls = 0;
  const made = harness({
    getToken() {
      if ((calls += 1) === 1) throw new Error('no token today');
      return 'token';
    },
  });
  void made.client.connect();
  onTestFinished(() => made.client.close());
  await made.quiet();
  await made.pass(1000);
  expect(made.client.state).toBe('connected');
  expect(made.told.error.map((error) => error.message)).toEqual(['no token today']);
});

test('an attempt that leads nowhere is given up after ten seconds', async () => {
  const made = harness();
  void made.client.connect();
  onTestFinished(() => made.client.close());
  await microtasks();
  made.clock.advance(9999);
  expect(made.server.sockets.map(({ state }) => state)).toEqual(['connecting']);
  made.clock.advance(1);
  expect(made.server.sockets.map(({ state }) => state)).toEqual(['closed']);
  await made.pass(1000);
  expect(made.client.state).toBe('connected');
});

test('a connection through which nothing comes any more is found and left, one that answers is kept', async () => {
  const made = await connected();
  await made.pass(200_000);
  expect(made.told.disconnected).toEqual([]);
  expect(made.server.socket!.received.filter(({ type }) => type === 'ping').length).toBeGreaterThan(2);
  // From here on nothing is delivered.
  made.clock.advance(90_000);
  expect(made.told.disconnected).toEqual([
    { code: 1006, reason: 'no sign of life from the server', willReconnect: true },
  ]);
});

test('goaway moves the client at the moment given, after the answers that are under way, and without a pause', async () => {
  const made = await connected();
  const old = made.server.socket!;
  old.push({ type: 'goaway', reason: 'draining', reconnectAfterMs: 300 });
  await made.quiet();
  expect(made.told.goaway).toEqual([{ reason: 'draining', reconnectAfterMs: 300 }]);
  const under = made.client.request({ type: 'echo', value: 'answered' });
  made.clock.advance(300);
  expect(made.client.state).toBe('connected');
  const later = made.client.publish('a', 1);
  await made.quiet();
  expect(await under).toBe('answered');
  expect((await later).seq).toBe(1);
  expect(old.state).toBe('closed');
  expect(old.received.map(({ type }) => type)).toEqual(['hello', 'echo']);
  expect(made.told.reconnecting).toEqual([]);
  expect(made.told.connected).toHaveLength(2);
});

test('goaway does not wait for ever for an answer', async () => {
  const made = await connected();
  const old = made.server.socket!;
  old.push({ type: 'goaway', reason: 'draining', reconnectAfterMs: 0 });
  old.toClient();
  const lost = codeOf(made.client.request({ type: 'echo' }));
  made.clock.advance(0);
  made.clock.advance(2000);
  expect(await lost).toBe('unavailable');
  expect(old.state).toBe('closed');
});

test('close rejects what waits, ends loops, closes the socket and leaves no timer, in every state', async () => {
  for (const state of ['idle', 'connecting', 'connected', 'waiting'] as const) {
    const made = harness();
    if (state !== 'idle') void made.client.connect().catch(() => {});
    await microtasks();
    if (state === 'connected') await made.quiet();
    if (state === 'waiting') made.server.socket!.cut();
    expect(made.client.state).toBe(state);
    const waiting = [made.client.publish('a', 1), made.client.request({ type: 'echo' }), made.client.subscribe('b')];
    const codes = Promise.all(waiting.map(codeOf));
    await made.client.close();
    expect(await codes).toEqual(['unavailable', 'unavailable', 'unavailable']);
    expect(made.clock.pending).toBe(0);
    expect(made.server.socket).toBeUndefined();
    const { client } = made;
    const after = [
      client.connect(),
      client.publish('a', 1),
      client.subscribe('a'),
      client.history('a'),
      client.request({ type: 'x' }),
    ];
    expect(await Promise.all(after.map(codeOf))).toEqual(['conflict', 'conflict', 'conflict', 'conflict', 'conflict']);
  }
});

test('a handler of disconnected may close the client', async () => {
  const made = await connected();
  made.client.on('disconnected', () => made.client.close());
  made.server.socket!.cut();
  await made.pass(10_000);
  expect(made.client.state).toBe('closed');
  expect(made.clock.pending).toBe(0);
  expect(made.server.sockets).toHaveLength(1);
});

test('options that cannot work are refused when the client is made', () => {
  class Never {}
  const WebSocket = Never as unknown as NonNullable<ConstructorParameters<typeof AgentwireClient>[0]['WebSocket']>;
  const make =
    (options: object): (() => AgentwireClient) =>
    () =>
      new AgentwireClient({ url: 'ws://x', WebSocket, ...options });
  expect(make({ url: 'nowhere' })).toThrow(/url/);
  expect(make({ url: 'ftp://x' })).toThrow(/ws:\/\//);
  expect(make({ format: 'xml' })).toThrow(/format/);
  expect(make({ maxAttempts: 0 })).toThrow(/maxAttempts/);
  expect(make({ queueLimit: Number.NaN })).toThrow(/queueLimit/);
});

test.each([
  ['http://host:1/', 'ws://host:1/v1/ws'],
  ['https://host', 'wss://host/v1/ws'],
  ['wss://host/elsewhere?x=1#y', 'wss://host/elsewhere?x=1'],
])('the url %s leads to %s', async (url, expected) => {
  const made = harness({ url });
  void made.client.connect();
  await made.quiet();
  expect(made.server.socket!.url).toBe(expected);
  await made.client.close();
});

test('a WebSocket that tells of a refused upgrade by an error alone is given up at once', async () => {
  // As the one of Node 22 does; that of `ws` and those of browsers close after it.
  class Refused {
    static made = 0;
    binaryType = '';
    onopen: unknown;
    onmessage: unknown;
    onclose: unknown;
    onerror: unknown;
    constructor() {
      Refused.made += 1;
      queueMicrotask(() => (this.onerror as () => void)());
    }
    send(): void {}
    close(): void {}
  }
  const client = new AgentwireClient({
    url: 'ws://nowhere',
    WebSocket: Refused,
    maxAttempts: 3,
    clock: new ManualClock(),
  });
  onTestFinished(() => client.close());
  void client.connect().catch(() => {});
  await microtasks();
  expect(client.state).toBe('waiting');
  expect(Refused.made).toBe(1);
});
