import { describe, expect, it } from 'vitest';
import type { PresenceMember } from '../../../shared/protocol/presence.ts';
import { join } from '../../support/client.ts';
import type { EventFrame, TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

async function greeted(port: number, token?: string): Promise<TestClient & { id: string }> {
  const client = await join(port, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
  const { connection } = await client.request<{ connection: string }>({ type: 'hello', versions: [1] });
  return Object.assign(client, { id: connection });
}

const enter = (client: TestClient, ...topics: unknown[]): Promise<{ time: number }> =>
  client.request({ type: 'subscribe', topics, presence: true });

const members = async (client: TestClient, topic: string): Promise<PresenceMember[]> =>
  (await client.request<{ members: PresenceMember[] }>({ type: 'presence', topic })).members;

const told = (events: EventFrame[]): unknown[] =>
  events.map(({ topic, data }) => {
    const { change, connection } = data as { change: string; connection: string };
    return [topic, change, connection];
  });

describe('presence', () => {
  it('names those who subscribed with it, as they were called and since they did', async () => {
    const { port } = await startGateway();
    const [first, second, third] = [await greeted(port), await greeted(port), await greeted(port)];
    expect(await first.request({ type: 'presence', topic: 'room' })).toEqual({ members: [], count: 0 });
    const { time } = await enter(first, 'room', 'hall');
    await enter(second, { topic: 'room', since: 'earliest' });
    await third.request({ type: 'subscribe', topics: ['room'] });
    const both = [first.id, second.id];
    expect((await members(third, 'room')).map(({ connection }) => connection)).toEqual(both);
    expect(await third.request({ type: 'presence', topic: 'hall' })).toEqual({
      members: [{ connection: first.id, identity: 'anonymous', since: time }],
      count: 1,
    });
  });

  it('begins with a later subscribe, and goes on through one that does not ask for it', async () => {
    const { port } = await startGateway();
    const client = await greeted(port);
    await client.request({ type: 'subscribe', topics: ['room'] });
    expect(await members(client, 'room')).toEqual([]);
    const { time } = await enter(client, 'room');
    await client.request({ type: 'subscribe', topics: ['room'], presence: false });
    await client.request({ type: 'subscribe', topics: ['room'] });
    await enter(client, 'room', 'room');
    expect(await members(client, 'room')).toEqual([{ connection: client.id, identity: 'anonymous', since: time }]);
  });

  it('ends with the subscription, or with the connection, and begins anew', async () => {
    const { port } = await startGateway();
    const [watcher, one, two] = [await greeted(port), await greeted(port), await greeted(port)];
    await watcher.request({ type: 'subscribe', topics: ['$presence.room'] });
    await enter(one, 'room', 'hall');
    await enter(two, 'room');
    await one.request({ type: 'unsubscribe', topics: ['room', 'elsewhere'] });
    expect((await members(watcher, 'room')).map(({ connection }) => connection)).toEqual([two.id]);
    expect(await members(watcher, 'hall')).toHaveLength(1);
    await enter(one, 'room');
    two.cut();
    await watcher.gather(5);
    expect((await members(watcher, 'room')).map(({ connection }) => connection)).toEqual([one.id]);
    expect(told(watcher.events)).toEqual([
      ['$presence.room', 'joined', one.id],
      ['$presence.room', 'joined', two.id],
      ['$presence.room', 'left', one.id],
      ['$presence.room', 'joined', one.id],
      ['$presence.room', 'left', two.id],
    ]);
  });

  it('is told after the answer to whoever it is about, and kept for who comes later', async () => {
    const { port } = await startGateway();
    const client = await greeted(port);
    await client.request({ type: 'subscribe', topics: ['$presence.room'] });
    await enter(client, 'room');
    await client.gather(1);
    expect(client.frames.map(({ type }) => type)).toEqual(['ok', 'ok', 'ok', 'event']);
    const late = await greeted(port);
    await late.request({ type: 'subscribe', topics: [{ topic: '$presence.#', since: 'earliest' }] });
    const [event] = await late.gather(1);
    const [member] = await members(client, 'room');
    expect(event).toMatchObject({ topic: '$presence.room', seq: 1, data: { change: 'joined', ...member } });
  });

  it.each([
    ['agent.*', 'a pattern'],
    ['#', 'a pattern'],
    ['$presence.room', 'a topic of the system'],
    ['$sessions.me', 'a topic of the system'],
  ])('is not of %s', async (topic, what) => {
    const { port } = await startGateway();
    const client = await greeted(port);
    for (const frame of [
      { type: 'presence', topic },
      { type: 'subscribe', topics: ['room', topic], presence: true },
    ]) {
      const answer = await client.ask(frame);
      expect(answer).toMatchObject({ error: { code: 'bad_request' } });
      expect(JSON.stringify(answer)).toContain(what);
    }
    expect(await members(client, 'room')).toEqual([]);
    expect(await client.refusal({ type: 'presence', topic: 'no..name' })).toBe('bad_request');
    expect(await client.refusal({ type: 'presence', topic: '' })).toBe('bad_request');
  });

  it('is for those who may read the topic', async () => {
    const { port } = await startGateway({ AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'a=ann,b=ben' });
    const [ann, ben] = [await greeted(port, 'a'), await greeted(port, 'b')];
    const { session } = await ann.request<{ session: { session: string } }>({ type: 'session.create' });
    const topic = `session.${session.session}.messages`;
    await enter(ann, topic, 'open');
    expect(await members(ann, topic)).toMatchObject([{ connection: ann.id, identity: 'ann' }]);
    expect(await members(ben, 'open')).toMatchObject([{ identity: 'ann' }]);
    await ann.request({ type: 'subscribe', topics: [`$presence.${topic}`, `$presence.session.${session.session}.#`] });
    await ben.request({ type: 'subscribe', topics: ['$presence.open', '$presence.open.#'] });
    const own = [topic, `session.${session.session}.#`];
    for (const name of [...own, 'session.#', 'run.*', '#', '*.x', '#.open']) {
      const frame = { type: 'subscribe', topics: [`$presence.${name}`] };
      expect([name, await ben.refusal(frame)]).toEqual([name, 'forbidden']);
    }
    expect(await ben.refusal({ type: 'presence', topic })).toBe('forbidden');
    expect(await ben.refusal({ type: 'subscribe', topics: [topic], presence: true })).toBe('forbidden');
    expect(await ben.refusal({ type: 'history', topic: `$presence.${topic}` })).toBe('forbidden');
    expect(await ann.refusal({ type: 'publish', topic: '$presence.open', data: {} })).toBe('forbidden');
    expect(await members(ann, topic)).toHaveLength(1);
  });
});
