import { expect, onTestFinished, test } from 'vitest';
import { codeOf, connected, harness } from './harness.ts';

const publishesOf = (frames: readonly Record<string, unknown>[]): Record<string, unknown>[] =>
  frames.filter(({ type }) => type === 'publish');

test('what is published while offline is sent in order once there is a connection', async () => {
  const made = harness();
  onTestFinished(() => made.client.close());
  const published = [1, 2, 3].map((data) => made.client.publish('a', data));
  void made.client.connect();
  await made.quiet();
  expect((await Promise.all(published)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  expect(made.log.kept('a').map(({ data }) => data)).toEqual([1, 2, 3]);
});

test('a publish is the data as it was when it was published', async () => {
  const made = harness();
  onTestFinished(() => made.client.close());
  const data = { state: 'then' };
  void made.client.publish('a', data);
  data.state = 'now';
  void made.client.connect();
  await made.quiet();
  expect(made.log.kept('a')[0]!.data).toEqual({ state: 'then' });
});

test('the queue is bounded, and one more is rejected at once', async () => {
  const made = harness({ queueLimit: 2 });
  onTestFinished(() => made.client.close());
  const kept = [made.client.publish('a', 1), made.client.publish('a', 2)];
  expect(await codeOf(made.client.publish('a', 3))).toBe('busy');
  void made.client.connect();
  await made.quiet();
  await Promise.all(kept);
  const next = made.client.publish('a', 4);
  await made.quiet();
  expect((await next).seq).toBe(3);
});

test('a publish that was sent and not answered is sent again with its messageId, and done once', async () => {
  const made = await connected();
  const published = made.client.publish('a', 1);
  const before = made.server.socket!;
  before.toServer();
  before.cut();
  await made.pass(1000);
  expect(await published).toMatchObject({ seq: 1, duplicate: true });
  expect(made.log.all).toHaveLength(1);
  const ids = [before, made.server.socket!].map(({ received }) => publishesOf(received)[0]!['messageId']);
  expect(ids[0]).toBe(ids[1]);
});

test('after two minutes without an answer a publish is not sent again, since the server may have forgotten it', async () => {
  const made = await connected();
  const sent = codeOf(made.client.publish('a', 1));
  made.server.away = true;
  made.server.socket!.cut();
  const never = made.client.publish('a', 2);
  await made.pass(120_000);
  made.server.away = false;
  await made.pass(6000);
  expect(await sent).toBe('unavailable');
  expect(await never).toMatchObject({ seq: 1 });
  expect(made.log.all.map(({ data }) => data)).toEqual([2]);
});

test.each(['unavailable', 'busy', 'rate_limited', 'timeout'])(
  'a publish that is answered with %s is sent again after a pause, before what came later',
  async (code) => {
    const made = await connected();
    made.server.mood.refuse = code;
    const published = [1, 2].map((data) => made.client.publish('a', data));
    await made.quiet();
    const later = made.client.publish('a', 3);
    await made.quiet();
    // A pause, not a loop: in no time nothing more is sent.
    expect(publishesOf(made.server.socket!.received).map(({ data }) => data)).toEqual([1, 2]);
    made.server.mood.refuse = undefined;
    await made.pass(200);
    await Promise.all([...published, later]);
    expect(made.log.all.map(({ data }) => data)).toEqual([1, 2, 3]);
  },
);

test.each(['forbidden', 'payload_too_large', 'internal', 'bad_request'])(
  'a publish that is answered with %s is rejected, and the next goes on',
  async (code) => {
    const made = await connected();
    made.server.mood.refuse = code;
    const refused = codeOf(made.client.publish('a', 1));
    await made.quiet();
    expect(await refused).toBe(code);
    made.server.mood.refuse = undefined;
    const next = made.client.publish('a', 2);
    await made.quiet();
    expect(await next).toMatchObject({ seq: 1 });
  },
);

test('an ephemeral publish is sent at most once', async () => {
  const made = await connected();
  const lost = codeOf(made.client.publish('a', 1, { ephemeral: true }));
  made.server.socket!.cut();
  expect(await lost).toBe('unavailable');
  await made.pass(1000);
  expect(publishesOf(made.server.socket!.received)).toEqual([]);
  const sent = made.client.publish('a', 2, { ephemeral: true });
  await made.quiet();
  expect(await sent).toMatchObject({ seq: 0 });
  expect(publishesOf(made.server.socket!.received)[0]).not.toHaveProperty('messageId');
});

test('only so many publishes are under way at once, however many wait', async () => {
  const made = await connected();
  const published = Array.from({ length: 500 }, (_, i) => made.client.publish('a', i));
  expect(made.server.socket!.inbound).toHaveLength(64);
  await made.quiet();
  await Promise.all(published);
  expect(made.log.kept('a').map(({ data }) => data)).toEqual(published.map((_, i) => i));
});

test('faults of the program are rejected at once, with a code, and nothing is sent', async () => {
  const made = await connected();
  const { client, server } = made;
  server.mood.maxFrameBytes = 2000;
  server.socket!.cut();
  await made.pass(1000);
  const circle: { self?: unknown } = {};
  circle.self = circle;
  const faults: [Promise<unknown>, string][] = [
    [client.publish('a..b', 1), 'bad_request'],
    [client.publish('a.*', 1), 'bad_request'],
    [client.publish(undefined as unknown as string, 1), 'bad_request'],
    [client.publish('run.x', 1), 'forbidden'],
    [client.publish('swarm.x.vote', 1), 'forbidden'],
    [client.publish('a', undefined), 'bad_request'],
    [client.publish('a', () => 1), 'bad_request'],
    [client.publish('a', new Date()), 'bad_request'],
    [client.publish('a', circle), 'bad_request'],
    [client.publish('a', Number.NaN), 'bad_request'],
    [client.publish('a', 1, { messageId: '' }), 'bad_request'],
    [client.publish('a', 'x'.repeat(2000)), 'payload_too_large'],
    [client.history('a.*'), 'bad_request'],
    [client.subscribe('a.b*'), 'bad_request'],
    [client.request({ type: 'subscribe', topics: ['a'] }), 'bad_request'],
    [client.request({ type: 'echo', value: new Map() }), 'bad_request'],
  ];
  for (const [promise, code] of faults) expect(await codeOf(promise)).toBe(code);
  expect(() => client.on('a..b', () => {})).toThrow(/a\.\.b/);
  expect(server.socket!.inbound).toEqual([]);
});

test('what was queued before the limit was known is measured against it', async () => {
  const made = harness();
  onTestFinished(() => made.client.close());
  made.server.mood.maxFrameBytes = 1000;
  const tooLarge = codeOf(made.client.publish('a', 'x'.repeat(2000)));
  const small = made.client.publish('a', 'x');
  void made.client.connect();
  await made.quiet();
  expect(await tooLarge).toBe('payload_too_large');
  expect(await small).toMatchObject({ seq: 1 });
});

test('requests wait for a connection and end in time; reading is repeated after a cut, anything else is not', async () => {
  const made = harness({ requestTimeoutMs: 3000 });
  onTestFinished(() => made.client.close());
  const late = codeOf(made.client.history('a'));
  await made.pass(3000);
  expect(await late).toBe('timeout');
  const echo = made.client.request({ type: 'echo', value: 7 });
  void made.client.connect();
  await made.quiet();
  expect(await echo).toBe(7);
  const [read, changed] = [made.client.history('a'), codeOf(made.client.request({ type: 'echo' }))];
  made.server.socket!.cut();
  expect(await changed).toBe('unavailable');
  await made.pass(1000);
  expect(await read).toMatchObject({ epoch: '', events: [] });
  const unknown = codeOf(made.client.request({ type: 'what' }));
  await made.quiet();
  expect(await unknown).toBe('unknown_type');
});
