import { describe, expect, it } from 'vitest';
import { join } from '../../support/client.ts';
import type { Format, TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

interface Answer {
  time: number;
  subscriptions: { topic: string; epoch: string; seq: number; recovered?: boolean; replay?: number }[];
}

async function publish(client: TestClient, topic: string, count: number): Promise<string> {
  let epoch = '';
  for (let i = 0; i < count; i += 1) {
    ({ epoch } = await client.request<{ epoch: string }>({ type: 'publish', topic, data: i }));
  }
  return epoch;
}

function subscribe(client: TestClient, topic: string, since: unknown): Promise<Answer> {
  return client.request<Answer>({ type: 'subscribe', topics: [{ topic, since }] });
}

const seqs = (client: TestClient, topic: string): number[] =>
  client.events.filter((event) => event.topic === topic).map((event) => event.seq);

const upTo = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe.each<Format>(['json', 'msgpack'])('since, of a topic, in %s:', (format) => {
  async function given(count: number, env: Record<string, string> = {}) {
    const { port } = await startGateway(env);
    const [client, publisher] = [await join(port, { format }), await join(port)];
    const epoch = await publish(publisher, 't', count);
    /** What the client has got by the time that one more event came. */
    const got = async (): Promise<number[]> => {
      await publish(publisher, 't', 1);
      await client.until(() => client.events.some((event) => event.seq === count + 1));
      return seqs(client, 't');
    };
    return { port, client, publisher, epoch, got };
  }

  it('latest brings only what comes', async () => {
    const { client, epoch, got } = await given(3);
    const { subscriptions } = await subscribe(client, 't', 'latest');
    expect(subscriptions).toEqual([{ topic: 't', pattern: false, epoch, seq: 3 }]);
    expect(await got()).toEqual([4]);
  });

  it('earliest brings what is kept', async () => {
    const { client, epoch, got } = await given(3);
    const { subscriptions } = await subscribe(client, 't', 'earliest');
    expect(subscriptions).toEqual([{ topic: 't', pattern: false, epoch, seq: 3, recovered: true, replay: 3 }]);
    expect(await got()).toEqual([1, 2, 3, 4]);
  });

  it('a position brings what follows it', async () => {
    const { client, epoch, got } = await given(5);
    const { subscriptions } = await subscribe(client, 't', { seq: 2, epoch });
    expect(subscriptions).toMatchObject([{ seq: 5, recovered: true, replay: 3 }]);
    expect(await got()).toEqual([3, 4, 5, 6]);
  });

  it('a position at the head brings nothing, and is recovered', async () => {
    const { client, epoch, got } = await given(5);
    const { subscriptions } = await subscribe(client, 't', { seq: 5, epoch });
    expect(subscriptions).toMatchObject([{ seq: 5, recovered: true, replay: 0 }]);
    expect(await got()).toEqual([6]);
  });

  it('a position of another numbering, or beyond the head, is not recovered, and what is kept comes all the same', async () => {
    const { port, epoch } = await given(3);
    for (const since of [
      { seq: 1, epoch: 'another' },
      { seq: 9, epoch },
      { seq: 2, epoch: '' },
    ]) {
      const client = await join(port, { format });
      const { subscriptions } = await subscribe(client, 't', since);
      expect(subscriptions).toMatchObject([{ epoch, seq: 3, recovered: false, replay: 3 }]);
      expect((await client.gather(3)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
    }
  });

  it('a position whose followers are no longer kept is not recovered, and what is kept comes all the same', async () => {
    const { port, epoch } = await given(20, { AGENTWIRE_HISTORY_SIZE: '5' });
    const [lost, just] = [await join(port, { format }), await join(port, { format })];
    const first = await lost.request<{ events: { seq: number }[] }>({ type: 'history', topic: 't' });
    const kept = first.events.map(({ seq }) => seq);
    expect(kept.length).toBeGreaterThanOrEqual(5);
    expect(kept.length).toBeLessThan(20);
    const before = kept[0]! - 1;
    expect((await subscribe(lost, 't', { seq: before - 1, epoch })).subscriptions).toMatchObject([
      { recovered: false, replay: kept.length },
    ]);
    expect((await subscribe(just, 't', { seq: before, epoch })).subscriptions).toMatchObject([
      { recovered: true, replay: kept.length },
    ]);
    for (const client of [lost, just]) {
      expect((await client.gather(kept.length)).map(({ seq }) => seq)).toEqual(kept);
    }
  });

  it('a time brings what came at or after it', async () => {
    const { port, client, publisher, got } = await given(2);
    const { time } = await subscribe(await join(port), 't', 'latest');
    // The time of an answer is one of the cluster: what is published after the answer is not before it.
    await publish(publisher, 'u', 3);
    const { subscriptions } = await subscribe(client, 'u', { time });
    expect(subscriptions).toMatchObject([{ seq: 3, recovered: true, replay: 3 }]);
    expect((await client.gather(3)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
    const all = await subscribe(client, 't', { time: 0 });
    expect(all.subscriptions).toMatchObject([{ seq: 2, recovered: true, replay: 2 }]);
    expect(await got()).toEqual([1, 2, 3]);
  });

  it('so many last ones are as many as are kept at most', async () => {
    const { client, epoch, got } = await given(5);
    const { subscriptions } = await subscribe(client, 't', { last: 2 });
    expect(subscriptions).toEqual([{ topic: 't', pattern: false, epoch, seq: 5, recovered: true, replay: 2 }]);
    const more = await subscribe(client, 'u', { last: 1000 });
    expect(more.subscriptions).toMatchObject([{ seq: 0, recovered: true, replay: 0 }]);
    expect(await got()).toEqual([4, 5, 6]);
  });

  it('of a topic that keeps fewer, all of them come, and nothing is said to be missing', async () => {
    const { client } = await given(7, { AGENTWIRE_HISTORY_SIZE: '3' });
    const { subscriptions } = await subscribe(client, 't', { last: 5 });
    expect(subscriptions).toMatchObject([{ seq: 7, recovered: true, replay: 3 }]);
    expect((await client.gather(3)).map(({ seq }) => seq)).toEqual([5, 6, 7]);
  });

  it.each([0, 1001, -1, 1.5, '1', null, {}])('%j is no number of last ones', async (last) => {
    const { client } = await given(1);
    await expect(subscribe(client, 't', { last })).rejects.toThrow('bad_request');
  });

  it('the position of a topic never used brings its first event', async () => {
    const { port } = await startGateway();
    const publisher = await join(port);
    const first = await join(port, { format });
    const { subscriptions } = await subscribe(first, 'new', 'latest');
    const { epoch, seq } = subscriptions[0]!;
    expect([epoch, seq]).toEqual(['', 0]);
    expect((await subscribe(await join(port), 'new', { epoch, seq })).subscriptions).toMatchObject([
      { recovered: true, replay: 0 },
    ]);
    first.cut();
    await publish(publisher, 'new', 3);
    const back = await join(port, { format });
    expect((await subscribe(back, 'new', { epoch, seq })).subscriptions).toMatchObject([
      { seq: 3, recovered: true, replay: 3 },
    ]);
    expect((await back.gather(3)).map((event) => event.seq)).toEqual([1, 2, 3]);
  });

  it('what is replayed joins what is live without a hole or a repeat, whatever is published meanwhile', async () => {
    const { port, publisher, epoch } = await given(300);
    let last = 300;
    let publishing = true;
    const load = (async () => {
      while (publishing)
        last = (await publisher.request<{ seq: number }>({ type: 'publish', topic: 't', data: 0 })).seq;
    })();
    const from = { seq: 250, epoch };
    const asks = [
      { topic: 't', since: 'earliest', first: 1 },
      { topic: 't', since: from, first: 251 },
      { topic: '#', since: { time: 0 }, first: 1 },
      { topic: 't.#', since: { positions: { t: from }, time: 0 }, first: 251 },
    ];
    const clients: { client: TestClient; first: number }[] = [];
    for (const { topic, since, first } of [...asks, ...asks, ...asks]) {
      const client = await join(port, { format });
      const { subscriptions } = await subscribe(client, topic, since);
      expect(subscriptions).toMatchObject([{ recovered: true }]);
      clients.push({ client, first });
    }
    publishing = false;
    await load;
    for (const { client, first } of clients) {
      await client.until(() => client.events.at(-1)?.seq === last, `event ${last}`);
      expect(seqs(client, 't')).toEqual(upTo(first, last));
    }
  });
});
