import { describe, expect, it, vi } from 'vitest';
import { join } from '../../support/client.ts';
import type { Format, TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

interface Answer {
  time: number;
  subscriptions: { topic: string; pattern: boolean; recovered?: boolean }[];
}

type Positions = Record<string, { seq: number; epoch: string }>;

async function publish(client: TestClient, topics: string[]): Promise<Positions> {
  const positions: Positions = {};
  for (const topic of topics) {
    const { seq, epoch } = await client.request<{ seq: number; epoch: string }>({ type: 'publish', topic, data: 1 });
    positions[topic] = { seq, epoch };
  }
  return positions;
}

function subscribe(client: TestClient, topic: string, since: unknown): Promise<Answer> {
  return client.request<Answer>({ type: 'subscribe', topics: [{ topic, since }] });
}

/** `topic seq` of each event, topics in order: there is no order between topics. */
function got(client: TestClient): string[] {
  return client.events.map(({ topic, seq }) => `${topic} ${seq}`).sort();
}

describe.each<Format>(['json', 'msgpack'])('since, of a pattern, in %s:', (format) => {
  it('latest brings only what comes', async () => {
    const { port } = await startGateway();
    const [client, publisher] = [await join(port, { format }), await join(port)];
    await publish(publisher, ['a.1', 'a.2']);
    const { subscriptions } = await subscribe(client, 'a.*', 'latest');
    expect(subscriptions).toEqual([{ topic: 'a.*', pattern: true }]);
    await publish(publisher, ['a.1', 'b.1', 'a.3']);
    await client.gather(2);
    expect(got(client)).toEqual(['a.1 2', 'a.3 1']);
  });

  it('earliest brings what is kept of every topic that matches, and no topic of the system', async () => {
    const { port, engine } = await startGateway();
    const [client, publisher] = [await join(port, { format }), await join(port)];
    await publish(publisher, ['a.1', 'b.1', 'a.2', 'a.1', 'a.x.y']);
    await engine.log.append({ topic: 'run.1', body: '{"data":1}' });
    const { subscriptions } = await subscribe(client, '#', 'earliest');
    expect(subscriptions).toEqual([{ topic: '#', pattern: true, recovered: true }]);
    await publish(publisher, ['a.1']);
    await client.gather(6);
    expect(got(client)).toEqual(['a.1 1', 'a.1 2', 'a.1 3', 'a.2 1', 'a.x.y 1', 'b.1 1']);
    const byTopic = client.events.filter(({ topic }) => topic === 'a.1').map(({ seq }) => seq);
    expect(byTopic).toEqual([1, 2, 3]);
  });

  it('a time brings what came at or after it, also of topics that were not there then', async () => {
    const { port } = await startGateway();
    const [client, publisher] = [await join(port, { format }), await join(port)];
    await publish(publisher, ['a.1', 'a.2']);
    const old = (await publisher.request<{ events: { ts: number }[] }>({ type: 'history', topic: 'a.2' })).events[0]!;
    // The clock of the store must have moved on, for a time is inclusive.
    let time = old.ts;
    while (time <= old.ts) ({ time } = await subscribe(publisher, 'clock', 'latest'));
    await publish(publisher, ['a.2', 'a.new', 'a.2']);
    expect((await subscribe(client, 'a.*', { time })).subscriptions).toMatchObject([{ recovered: true }]);
    await client.gather(3);
    expect(got(client)).toEqual(['a.2 2', 'a.2 3', 'a.new 1']);
  });

  it('positions bring what follows each of them, and the time what came of the other topics', async () => {
    const { port } = await startGateway();
    const [client, publisher] = [await join(port, { format }), await join(port)];
    const positions = await publish(publisher, ['a.1', 'a.2', 'a.3', 'a.1']);
    delete positions['a.3'];
    await publish(publisher, ['a.1', 'a.2', 'a.new']);
    const strangers = { 'b.1': { seq: 1, epoch: 'x' }, 'no topic': { seq: 1, epoch: 'x' } };
    const since = { positions: { ...positions, ...strangers }, time: 0 };
    await subscribe(client, 'a.*', since);
    await client.gather(4);
    expect(got(client)).toEqual(['a.1 3', 'a.2 2', 'a.3 1', 'a.new 1']);
  });

  it('so many last ones are those of each topic that matches', async () => {
    const { port } = await startGateway();
    const [client, publisher] = [await join(port, { format }), await join(port)];
    await publish(publisher, ['a.1', 'a.1', 'a.1', 'a.2', 'a.3', 'a.3', 'b.1']);
    const { subscriptions } = await subscribe(client, 'a.*', { last: 2 });
    expect(subscriptions).toEqual([{ topic: 'a.*', pattern: true, recovered: true }]);
    await publish(publisher, ['a.1', 'a.new', 'a.new', 'a.new']);
    await client.gather(9);
    expect(got(client)).toEqual([
      'a.1 2',
      'a.1 3',
      'a.1 4',
      'a.2 1',
      'a.3 1',
      'a.3 2',
      'a.new 1',
      'a.new 2',
      'a.new 3',
    ]);
  });

  it('the last value of every agent is there long after the history of its topic', async () => {
    const { port } = await startGateway({ AGENTWIRE_HISTORY_TTL_S: '1' });
    const [client, publisher] = [await join(port, { format }), await join(port)];
    const report = (agentId: string, kind: string, fields: object) =>
      publisher.request({ type: 'publish', topic: `agent.${agentId}.${kind}`, data: { agentId, ...fields } });
    for (const status of ['busy', 'idle']) for (const agent of ['7', '8']) await report(agent, 'status', { status });
    await report('7', 'health', { healthy: true });
    await report('7', 'logs', { level: 'info', message: 'goes with the history' });
    const kept = () => publisher.request<{ events: unknown[] }>({ type: 'history', topic: 'agent.7.logs' });
    await vi.waitFor(async () => expect((await kept()).events).toEqual([]), { timeout: 5000 });
    const { subscriptions } = await subscribe(client, 'agent.#', { last: 5 });
    expect(subscriptions).toEqual([{ topic: 'agent.#', pattern: true, recovered: true }]);
    await client.gather(3);
    expect(got(client)).toEqual(['agent.7.health 1', 'agent.7.status 2', 'agent.8.status 2']);
  });

  it('a position of another numbering is not recovered, and what is kept of the topic comes all the same', async () => {
    const { port } = await startGateway();
    const [client, publisher] = [await join(port, { format }), await join(port)];
    const positions = await publish(publisher, ['a.1', 'a.1', 'a.2']);
    positions['a.1'] = { seq: 2, epoch: 'another' };
    const { time, subscriptions } = await subscribe(client, 'a.#', { positions, time: Date.now() + 60_000 });
    expect(subscriptions).toMatchObject([{ recovered: false }]);
    expect(time).toBeLessThan(Date.now() + 60_000);
    await client.gather(2);
    expect(got(client)).toEqual(['a.1 1', 'a.1 2']);
  });

  it('a way back after a cut misses nothing and repeats nothing, again and again', async () => {
    const { port } = await startGateway();
    const publisher = await join(port);
    const positions: Positions = {};
    const seen: string[] = [];
    let publishing = true;
    const load = (async () => {
      for (let i = 0; publishing; i += 1) await publish(publisher, [`a.${i % 3}`, `a.once.${i}`]);
    })();
    const visit = async (until: (client: TestClient) => boolean): Promise<void> => {
      const client = await join(port, { format });
      client.onFrame = (frame) => {
        if (frame.type !== 'event') return;
        const { topic, seq, epoch } = frame as unknown as { topic: string; seq: number; epoch: string };
        positions[topic] = { seq, epoch };
        seen.push(`${topic} ${seq}`);
      };
      const answer = await subscribe(client, 'a.#', { positions, time: 0 });
      expect(answer.subscriptions).toMatchObject([{ recovered: true }]);
      await client.until(() => until(client));
      // A cut socket may still have frames that came before the cut; they count as never seen.
      client.onFrame = () => {};
      client.cut();
    };
    for (let i = 0; i < 15; i += 1) await visit((client) => client.events.length >= 20);
    publishing = false;
    await load;
    const heads = await Promise.all(
      [0, 1, 2].map((i) => publisher.request<{ seq: number }>({ type: 'history', topic: `a.${i}`, limit: 1 })),
    );
    const events = heads.flatMap(({ seq }, i) => Array.from({ length: seq }, (_, k) => `a.${i} ${k + 1}`));
    const rounds = heads.reduce((sum, { seq }) => sum + seq, 0);
    const once = Array.from({ length: rounds }, (_, i) => `a.once.${i} 1`);
    if (seen.length < rounds * 2) await visit(() => seen.length >= rounds * 2);
    expect([...seen].sort()).toEqual([...events, ...once].sort());
  });
});
