import { beforeEach, describe, expect, it } from 'vitest';
import { join } from '../../support/client.ts';
import type { Format, TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

interface History {
  epoch: string;
  seq: number;
  events: { seq: number }[];
  more: boolean;
}

describe.each<Format>(['json', 'msgpack'])('history in %s', (format) => {
  let client: TestClient;
  let epoch: string;

  beforeEach(async () => {
    const { port } = await startGateway();
    client = await join(port, { format });
    for (let i = 1; i <= 10; i += 1) {
      const data = { n: i };
      ({ epoch } = await client.request<History>({ type: 'publish', topic: 't', data, messageId: `m${i}` }));
    }
  });

  async function read(fields: Record<string, unknown>): Promise<[number[], boolean]> {
    const result = await client.request<History>({ type: 'history', topic: 't', ...fields });
    expect(result).toMatchObject({ epoch, seq: 10 });
    return [result.events.map(({ seq }) => seq), result.more];
  }

  it('gives what is kept, each event as it came to its subscribers', async () => {
    const reader = client;
    await reader.request({ type: 'subscribe', topics: [{ topic: 't', since: 'earliest' }] });
    const live = await reader.gather(10);
    const { events } = await reader.request<History>({ type: 'history', topic: 't' });
    expect(events).toEqual(live.map(({ type: _type, ...fields }) => fields));
  });

  it('goes forward from a number, as far as the limit, and says whether there is more', async () => {
    expect(await read({})).toEqual([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], false]);
    expect(await read({ limit: 3 })).toEqual([[1, 2, 3], true]);
    expect(await read({ after: 3, limit: 3 })).toEqual([[4, 5, 6], true]);
    expect(await read({ after: 7, limit: 3 })).toEqual([[8, 9, 10], false]);
    expect(await read({ after: 0, limit: 10 })).toEqual([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], false]);
    expect(await read({ after: 10 })).toEqual([[], false]);
    expect(await read({ after: 2 ** 53 - 1 })).toEqual([[], false]);
  });

  it('goes backward from the head or a number', async () => {
    expect(await read({ reverse: true, limit: 3 })).toEqual([[10, 9, 8], true]);
    expect(await read({ reverse: true, after: 4, limit: 2 })).toEqual([[3, 2], true]);
    expect(await read({ reverse: true, after: 4 })).toEqual([[3, 2, 1], false]);
    expect(await read({ reverse: true, after: 1 })).toEqual([[], false]);
    expect(await read({ reverse: false, limit: 1 })).toEqual([[1], true]);
  });

  it('of an unknown topic is empty, and reading creates nothing', async () => {
    const empty = { epoch: '', seq: 0, events: [], more: false };
    for (let i = 0; i < 2; i += 1) {
      expect(await client.request({ type: 'history', topic: 'unknown' })).toEqual(empty);
      expect(await client.request({ type: 'history', topic: 'unknown', reverse: true, after: 5 })).toEqual(empty);
    }
    const { subscriptions } = await client.request<{ subscriptions: object[] }>({
      type: 'subscribe',
      topics: ['unknown'],
    });
    expect(subscriptions).toEqual([{ topic: 'unknown', pattern: false, epoch: '', seq: 0 }]);
  });

  it('gives a hundred where no limit is named, and a thousand at most', async () => {
    for (let i = 0; i < 1000; i += 1) client.sendAsIs({ type: 'publish', topic: 'long', data: i });
    await client.ask({ type: 'ping' });
    await client.request({ type: 'publish', topic: 'long', data: 'last' });
    expect((await client.request<History>({ type: 'history', topic: 'long' })).events).toHaveLength(100);
    const most = await client.request<History>({ type: 'history', topic: 'long', limit: 1000 });
    expect(most.events.length).toBeGreaterThanOrEqual(999);
  });
});
