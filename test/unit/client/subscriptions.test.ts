import { expect, onTestFinished, test } from 'vitest';
import type { AgentwireEvent } from '../../../shared/client/index.ts';
import { codeOf, connected, harness, microtasks, notes } from './harness.ts';

const subscribesOf = (frames: readonly Record<string, unknown>[]): unknown[] =>
  frames.filter(({ type }) => type === 'subscribe').map(({ topics }) => topics);

test('subscriptions of one turn go out in one frame, and all come back in one', async () => {
  const made = await connected();
  const all = Promise.all([made.client.subscribe('a'), made.client.subscribe('b.*'), made.client.subscribe('c')]);
  await made.quiet();
  await all;
  expect(subscribesOf(made.server.socket!.received)).toEqual([['a', 'b.*', 'c']]);
  made.log.append('b.x', 1);
  made.log.append('c', 1);
  await made.quiet();
  made.server.socket!.cut();
  await made.pass(1000);
  const { epoch } = made.log.head('b.x');
  expect(subscribesOf(made.server.socket!.received)).toEqual([
    [
      { topic: 'b.*', since: { positions: { 'b.x': { seq: 1, epoch } }, time: 1_000_000 } },
      { topic: 'a', since: { seq: 0, epoch: '' } },
      { topic: 'c', since: { seq: 1, epoch: made.log.head('c').epoch } },
    ],
  ]);
});

test('an event reaches every handler that matches once, in order, and a fault in one stops no other', async () => {
  const made = await connected();
  const order: string[] = [];
  const note = (name: string) => (event: AgentwireEvent) => void order.push(`${name} ${event.seq}`);
  void made.client.subscribe('a.b', note('topic'));
  void made.client.subscribe('a.b', () => {
    throw new Error('first');
  });
  void made.client.subscribe('a.b', () => Promise.reject(new Error('second')));
  void made.client.subscribe('a.*', note('pattern'));
  made.client.on('event', note('every'));
  made.client.on('a.b', note('on topic'));
  made.client.on('a.#', note('on pattern'));
  made.client.on('x.#', note('other'));
  await made.quiet();
  made.log.append('a.b', 1);
  await made.quiet();
  expect(order).toEqual(['topic 1', 'pattern 1', 'every 1', 'on topic 1', 'on pattern 1']);
  expect(made.told.error.map((error) => error.message).sort()).toEqual(['first', 'second']);
});

test('a handler of error that fails does no harm', async () => {
  const made = await connected();
  made.client.on('error', () => {
    throw new Error('again');
  });
  const { handler, seqs } = notes();
  void made.client.subscribe('a', () => {
    throw new Error('once');
  });
  void made.client.subscribe('a', handler);
  await made.quiet();
  made.log.append('a', 1);
  await made.quiet();
  expect(seqs).toEqual([1]);
});

test('subscribing twice to the same string is one subscription, which ends with the last', async () => {
  const made = await connected();
  const [one, two] = [notes(), notes()];
  const first = made.client.subscribe('a', one.handler);
  await made.quiet();
  const second = made.client.subscribe('a', two.handler);
  const [subscription, other] = [await first, await second];
  made.log.append('a', 1);
  await made.quiet();
  subscription.unsubscribe();
  subscription.unsubscribe();
  made.log.append('a', 2);
  await made.quiet();
  expect(made.server.socket!.subscriptions).toEqual(new Set(['a']));
  other.unsubscribe();
  await made.quiet();
  expect(made.server.socket!.subscriptions).toEqual(new Set());
  expect([one.seqs, two.seqs]).toEqual([[1], [1, 2]]);
  expect(subscribesOf(made.server.socket!.received)).toHaveLength(1);
});

test('a handler may unsubscribe others and itself, and what it adds begins with the next event', async () => {
  const made = await connected();
  const [later, added] = [notes(), notes()];
  const subscription = made.client.subscribe('a', () => {
    made.client.unsubscribe('a');
    void made.client.subscribe('a', added.handler);
  });
  void made.client.subscribe('a', later.handler);
  await made.quiet();
  await subscription;
  made.log.append('a', 1);
  await made.quiet();
  made.log.append('a', 2);
  await made.quiet();
  expect([later.seqs, added.seqs]).toEqual([[], [2]]);
});

test('a position counts only after the handlers ran: one that begins anew in a handler can have the event again', async () => {
  const made = await connected();
  const again = notes();
  void made.client.subscribe('a', () => {
    made.client.unsubscribe('a');
    void made.client.subscribe('a', again.handler, { since: 'earliest' });
  });
  await made.quiet();
  made.log.append('a', 'kept');
  await made.quiet();
  made.server.socket!.cut();
  await made.pass(1000);
  expect(again.data).toEqual(['kept']);
});

test('the last events are asked for once: the way back is by what came of them', async () => {
  const made = await connected();
  for (const data of [1, 2, 3]) made.log.append('a', data);
  for (const data of [1, 2]) for (const topic of ['t.1', 't.2']) made.log.append(topic, data);
  const [one, many] = [notes(), notes()];
  void made.client.subscribe('a', one.handler, { since: { last: 2 } });
  void made.client.subscribe('t.*', many.handler, { since: { last: 1 } });
  await made.quiet();
  expect([one.seqs, many.seqs]).toEqual([
    [2, 3],
    [2, 2],
  ]);
  made.server.socket!.cut();
  for (const data of [4, 5, 6]) for (const topic of ['a', 't.1', 't.new']) made.log.append(topic, data);
  await made.pass(1000);
  expect(one.seqs).toEqual([2, 3, 4, 5, 6]);
  expect(many.data).toEqual([2, 2, 4, 5, 6, 4, 5, 6]);
  expect(made.told.gap).toEqual([]);
});

test('what had not come of the last events when the connection was lost comes after it', async () => {
  const made = await connected();
  for (const topic of ['a', 't.1', 't.2']) made.log.append(topic, topic);
  const [one, many] = [notes(), notes()];
  void made.client.subscribe('a', one.handler, { since: { last: 1 } });
  void made.client.subscribe('t.*', many.handler, { since: { last: 1 } });
  await microtasks();
  made.server.socket!.toServer();
  made.server.socket!.toClient();
  expect([one.data, many.data]).toEqual([[], []]);
  made.server.socket!.cut();
  await made.pass(1000);
  expect([one.data, many.data]).toEqual([['a'], ['t.1', 't.2']]);
});

test('what arrives of a subscription given up is not taken for part of the one made after it', async () => {
  const made = await connected();
  const [before, after] = [notes(), notes()];
  void made.client.subscribe('a', before.handler);
  await made.quiet();
  for (const data of [1, 2, 3]) made.log.append('a', data);
  made.server.socket!.sendAll();
  made.client.unsubscribe('a');
  void made.client.subscribe('a', after.handler, { since: 'earliest' });
  await made.quiet();
  expect([before.seqs, after.seqs]).toEqual([[], [1, 2, 3]]);
  expect(made.told.event.map(({ seq }) => seq)).toEqual([1, 2, 3]);
});

test('one bad name costs the others nothing', async () => {
  const made = await connected();
  made.server.mood.forbidden.add('secret');
  const codes = ['a', 'secret', 'b'].map((name) => codeOf(made.client.subscribe(name)));
  await made.quiet();
  expect(await Promise.all(codes)).toEqual(['resolved', 'forbidden', 'resolved']);
  expect(made.server.socket!.subscriptions).toEqual(new Set(['a', 'b']));
});

test('a subscription refused after a reconnect ends and is reported, and the others go on', async () => {
  const made = await connected();
  const { handler, seqs } = notes();
  const loop = (async () => {
    for await (const event of made.client.subscribe('secret')) seqs.push(event.seq);
  })();
  void made.client.subscribe('a', handler);
  await made.quiet();
  made.server.mood.forbidden.add('secret');
  made.server.socket!.cut();
  await made.pass(1000);
  expect(await codeOf(loop)).toBe('forbidden');
  expect(made.told.error.map((error) => error.message)).toEqual(['secret: forbidden it is']);
  made.log.append('a', 1);
  await made.quiet();
  expect(seqs).toEqual([1]);
});

test('a subscription refused for now is asked for again after a pause', async () => {
  const made = await connected();
  made.server.mood.refuse = 'unavailable';
  const subscribed = made.client.subscribe('a');
  await made.quiet();
  expect(subscribesOf(made.server.socket!.received)).toHaveLength(1);
  made.server.mood.refuse = undefined;
  await made.pass(200);
  expect(await subscribed).toMatchObject({ topic: 'a', pattern: false, epoch: '', seq: 0 });
});

test('events that the server has not kept are told of with their numbers, and not twice', async () => {
  const made = await connected();
  const { handler, seqs } = notes();
  void made.client.subscribe('a', handler);
  made.log.append('a', 0);
  await made.quiet();
  made.server.socket!.cut();
  for (let i = 0; i < 5; i += 1) made.log.append('a', i);
  made.log.trim('a', 2);
  await made.pass(1000);
  const { epoch } = made.log.head('a');
  expect(made.told.gap).toEqual([{ topic: 'a', reason: 'not_kept', epoch, from: 2, to: 4 }]);
  expect(seqs).toEqual([5, 6]);
});

test('a new numbering is told of, while connected and after a reconnect', async () => {
  const made = await connected();
  const { handler, seqs } = notes();
  made.log.append('a', 1);
  made.log.append('a', 2);
  void made.client.subscribe('a', handler, { since: 'earliest' });
  await made.quiet();
  made.log.renumber('a');
  made.log.append('a', 1);
  await made.quiet();
  const { epoch } = made.log.head('a');
  expect(made.told.dropped).toEqual([{ topic: 'a', epoch, reason: 'epoch' }]);
  made.server.socket!.cut();
  made.log.renumber('a');
  made.log.append('a', 1);
  await made.pass(1000);
  expect(made.told.gap).toEqual([{ topic: 'a', reason: 'epoch', epoch: made.log.head('a').epoch }]);
  expect(seqs).toEqual([1, 2, 1, 1]);
});

test('what the server dropped is told of once, and not asked for again', async () => {
  const made = await connected();
  const { handler, seqs } = notes();
  void made.client.subscribe('a', handler);
  await made.quiet();
  for (let i = 0; i < 3; i += 1) made.log.append('a', i);
  made.server.socket!.dropOldest(0);
  await made.quiet();
  expect(made.told.dropped).toEqual([{ topic: 'a', from: 1, to: 1, count: 1, where: 'server' }]);
  made.log.append('a', 3);
  made.server.socket!.dropOldest(0);
  await made.quiet();
  made.server.socket!.cut();
  await made.pass(1000);
  expect(made.told.gap).toEqual([]);
  expect(seqs).toEqual([2, 3]);
});

test('a number that is jumped over without a word is told of', async () => {
  const made = await connected();
  void made.client.subscribe('a');
  await made.quiet();
  made.server.socket!.push({ type: 'event', topic: 'a', seq: 3, epoch: 'e9', ts: 1, data: null });
  await made.quiet();
  expect(made.told.gap).toEqual([{ topic: 'a', reason: 'missing', epoch: 'e9', from: 1, to: 2 }]);
});

test('a frame that cannot be read is reported, and the connection lives on', async () => {
  const made = await connected();
  made.server.socket!.push('no map' as unknown as Record<string, unknown>);
  made.server.socket!.push({ type: 'error', error: { code: 'busy', message: 'too much' } });
  made.server.socket!.push({ type: 'of a later version' });
  await made.quiet();
  expect(made.told.error.map((error) => (error as Error & { code: string }).code)).toEqual(['bad_frame', 'busy']);
  expect(made.client.state).toBe('connected');
});

test('a loop gets what came since the subscription, in order, and leaving it unsubscribes', async () => {
  const made = await connected();
  const subscribing = made.client.subscribe<string>('a');
  await made.quiet();
  const subscription = await subscribing;
  made.log.append('a', 'one');
  made.log.append('a', 'two');
  await made.quiet();
  const seen: string[] = [];
  for await (const { data } of subscription) {
    seen.push(data);
    if (seen.length === 2) break;
  }
  expect(seen).toEqual(['one', 'two']);
  await made.quiet();
  expect(made.server.socket!.subscriptions).toEqual(new Set());
});

test('a loop that is too slow loses the oldest, and it is said', async () => {
  const made = await connected();
  const loop = made.client.subscribe('a', { buffer: 2 })[Symbol.asyncIterator]();
  await made.quiet();
  for (let i = 0; i < 4; i += 1) made.log.append('a', i);
  await made.quiet();
  expect(made.told.dropped).toEqual([
    { topic: 'a', from: 1, to: 1, count: 1, where: 'iterator' },
    { topic: 'a', from: 2, to: 2, count: 1, where: 'iterator' },
  ]);
  expect([(await loop.next()).value?.seq, (await loop.next()).value?.seq]).toEqual([3, 4]);
});

test('a subscription that nobody loops over holds no more than its buffer and complains of nothing', async () => {
  const made = await connected();
  const subscribing = made.client.subscribe('a', { buffer: 2 });
  await made.quiet();
  for (let i = 0; i < 4; i += 1) made.log.append('a', i);
  await made.quiet();
  expect(made.told.dropped).toEqual([]);
  const loop = (await subscribing)[Symbol.asyncIterator]();
  made.log.append('a', 4);
  await made.quiet();
  expect((await loop.next()).value?.seq).toBe(5);
});

test('loops end when the client is closed', async () => {
  const made = await connected();
  const loop = (async () => {
    for await (const event of made.client.subscribe('a')) expect(event).toBeUndefined();
    return 'ended';
  })();
  await made.quiet();
  await made.client.close();
  expect(await loop).toBe('ended');
});

test('listeners come and go: off, once and the function that on gives back', async () => {
  const made = await connected();
  const [on, off, once] = [notes(), notes(), notes()];
  void made.client.subscribe('a');
  const stop = made.client.on('a', on.handler);
  made.client.on('a', off.handler);
  made.client.once('a', once.handler);
  made.client.off('a', off.handler);
  await made.quiet();
  made.log.append('a', 1);
  await made.quiet();
  stop();
  made.log.append('a', 2);
  await made.quiet();
  expect([on.seqs, off.seqs, once.seqs]).toEqual([[1], [], [1]]);
});

test('publishes that waited for a connection come back by the subscriptions that are there before them', async () => {
  const made = harness();
  onTestFinished(() => made.client.close());
  const { handler, data } = notes();
  void made.client.publish('a', 'mine');
  void made.client.subscribe('a', handler);
  void made.client.connect();
  await made.quiet();
  await microtasks();
  expect(data).toEqual(['mine']);
});
