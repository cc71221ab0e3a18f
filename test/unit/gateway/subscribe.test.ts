import { describe, expect, it } from 'vitest';
import type { Engine } from '../../../shared/engine/engine.ts';
import { join } from '../../support/client.ts';
import type { Format, TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

const formats: Format[] = ['json', 'msgpack'];

async function publish(client: TestClient, ...topics: string[]): Promise<void> {
  for (const topic of topics) await client.request({ type: 'publish', topic, data: topic });
}

/** Everything that was published before has come by the time that this one comes. */
async function settled(client: TestClient, publisher: TestClient, topic: string): Promise<string[]> {
  const data = `last ${client.events.length} ${Math.random()}`;
  await publisher.request({ type: 'publish', topic, data });
  await client.waitFor((frame) => frame['data'] === data, 'the last event');
  return client.events.filter((event) => !String(event.data).startsWith('last')).map((event) => event.topic);
}

/** A store on the network: its answers come in a later turn, so that requests pile up behind them. */
function slow(engine: Engine): Engine {
  const heads = engine.log.heads.bind(engine.log);
  engine.log.heads = async (asks) => {
    await new Promise((resolve) => setImmediate(resolve));
    return heads(asks);
  };
  return engine;
}

describe.each(formats)('subscribing in %s', (format) => {
  it('brings the events of the topics and patterns, and no others', async () => {
    const { port } = await startGateway();
    const [client, publisher] = [await join(port, { format }), await join(port)];
    await client.request({ type: 'subscribe', topics: ['exact', 'agent.*.load', 'task.#'] });
    await publish(publisher, 'exact', 'exact.x', 'agent.1.load', 'agent.load', 'agent.1.2.load');
    await publish(publisher, 'task', 'task.1', 'task.1.progress.x', 'tasks', 'agent.2.load');
    expect(await settled(client, publisher, 'exact')).toEqual([
      'exact',
      'agent.1.load',
      'task',
      'task.1',
      'task.1.progress.x',
      'agent.2.load',
    ]);
  });

  it('brings an event once, however many subscriptions match it', async () => {
    const { port } = await startGateway();
    const [client, publisher] = [await join(port, { format }), await join(port)];
    await client.request({ type: 'subscribe', topics: ['a.b', 'a.*'] });
    await client.request({ type: 'subscribe', topics: ['#', 'a.b', '*.b', 'a.#', '#.b'] });
    await publish(publisher, 'a.b', 'a.c', 'x', 'a.b');
    expect(await settled(client, publisher, 'a.b')).toEqual(['a.b', 'a.c', 'x', 'a.b']);
    await client.request({ type: 'unsubscribe', topics: ['#', 'a.b', '*.b', 'a.#'] });
    await publish(publisher, 'a.b', 'x', 'a.c', 'q.b', 'q.c');
    // `a.*` and `#.b` are left.
    expect((await settled(client, publisher, 'a.b')).slice(4)).toEqual(['a.b', 'a.c', 'q.b']);
    await client.request({ type: 'unsubscribe', topics: ['#.b'] });
    await publish(publisher, 'q.b', 'a.d');
    expect((await settled(client, publisher, 'a.b')).slice(7)).toEqual(['a.d']);
  });

  it('ends with unsubscribe, which passes over what was never subscribed to', async () => {
    const { port } = await startGateway();
    const [client, publisher] = [await join(port, { format }), await join(port)];
    await client.request({ type: 'subscribe', topics: ['a', 'b', 'c.*'] });
    expect(await client.request({ type: 'unsubscribe', topics: ['b', 'never', 'c.*'] })).toEqual({
      topics: ['b', 'never', 'c.*'],
    });
    await publish(publisher, 'a', 'b', 'c.1', 'never');
    expect(await settled(client, publisher, 'a')).toEqual(['a']);
  });

  it('and unsubscribing are done in the order asked, without waiting for answers', async () => {
    const { port } = await startGateway({}, { around: slow });
    const [client, publisher] = [await join(port, { format }), await join(port)];
    for (let i = 0; i < 20; i += 1) {
      client.send({ type: 'subscribe', topics: ['on', 'off'] });
      client.send({ type: 'unsubscribe', topics: ['off', 'on'] });
    }
    const last = client.send({ type: 'subscribe', topics: ['on'] });
    await client.answerTo(last);
    expect(client.of('ok').map((frame) => frame.id)).toEqual(Array.from({ length: 41 }, (_, i) => i + 1));
    await publish(publisher, 'off', 'on', 'off');
    expect(await settled(client, publisher, 'on')).toEqual(['on']);
  });

  it('again to the same string never rewinds, whatever its since', async () => {
    const { port } = await startGateway();
    const [client, publisher] = [await join(port, { format }), await join(port)];
    await client.request({ type: 'subscribe', topics: ['a.b', 'a.*', 'c.#'] });
    await publish(publisher, 'a.b', 'a.b', 'c.x');
    await client.gather(3);
    const again = [
      { topic: 'a.b', since: 'earliest' },
      { topic: 'a.*', since: { time: 0 } },
      { topic: 'c.#', since: 'earliest' },
    ];
    const { subscriptions } = await client.request<{ subscriptions: object[] }>({ type: 'subscribe', topics: again });
    expect(subscriptions[0]).toMatchObject({ topic: 'a.b', seq: 2, replay: 0 });
    expect(await settled(client, publisher, 'a.b')).toEqual(['a.b', 'a.b', 'c.x']);
  });

  it('to what another subscription covers already brings nothing a second time', async () => {
    const { port } = await startGateway();
    const [client, publisher] = [await join(port, { format }), await join(port)];
    await publish(publisher, 'a.b', 'a.c');
    await client.request({ type: 'subscribe', topics: ['a.b'] });
    await publish(publisher, 'a.b');
    await client.gather(1);
    await client.request({ type: 'subscribe', topics: [{ topic: 'a.*', since: 'earliest' }] });
    expect((await settled(client, publisher, 'a.b')).sort()).toEqual(['a.b', 'a.c']);
  });
});

describe('the answer to a subscribe', () => {
  it('gives the head of a topic, the form of a pattern, and the time of the cluster', async () => {
    const { port } = await startGateway();
    const client = await join(port);
    const { epoch } = await client.request<{ epoch: string }>({ type: 'publish', topic: 'a.b', data: 1 });
    expect(await client.request({ type: 'subscribe', topics: ['a.b', 'new', 'a.*'] })).toEqual({
      time: expect.any(Number),
      subscriptions: [
        { topic: 'a.b', pattern: false, epoch, seq: 1 },
        { topic: 'new', pattern: false, epoch: '', seq: 0 },
        { topic: 'a.*', pattern: true },
      ],
    });
  });

  it.each(formats)('in %s comes before the first event that it causes, under load and with replay', async (format) => {
    const { port } = await startGateway();
    const publisher = await join(port);
    let publishing = true;
    const load = (async () => {
      for (let i = 0; publishing; i += 1) {
        publisher.sendAsIs({ type: 'publish', topic: `load.${i % 4}`, data: i });
        if (i % 20 === 0) await publisher.ask({ type: 'ping' });
      }
    })();
    for (let i = 0; i < 40; i += 1) {
      const client = await join(port, { format });
      // The first leaves it on a cursor, the second joins it there.
      const asks = [
        [{ topic: 'load.0', since: 'earliest' }, 'load.1'],
        [{ topic: 'load.*', since: i % 2 ? 'earliest' : 'latest' }],
      ];
      const ids = asks.map((topics) => client.send({ type: 'subscribe', topics }));
      await client.answerTo(ids[1]!);
      await client.until(() => client.events.some(({ topic }) => topic === 'load.2'));
      const first = (wanted: (topic: string) => boolean): number =>
        client.frames.findIndex((frame) => frame.type === 'event' && wanted(frame['topic'] as string));
      const at = ids.map((id) => client.frames.findIndex((frame) => frame.id === id));
      expect(at[0]).toBeLessThan(first(() => true));
      expect(at[1]).toBeLessThan(first((topic) => topic === 'load.2' || topic === 'load.3'));
      const seqs = client.events.filter(({ topic }) => topic === 'load.0').map(({ seq }) => seq);
      expect(seqs).toEqual(seqs.map((_, k) => seqs[0]! + k));
      client.cut();
    }
    publishing = false;
    await load;
  });
});
