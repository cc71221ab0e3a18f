import { describe, expect, it, onTestFinished } from 'vitest';
import { join } from '../support/client.ts';
import type { Format, Frame } from '../support/client.ts';
import { Follower } from '../support/follower.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import { stores } from '../support/stores.ts';

const big = 'x'.repeat(8 * 1024);
const count = 1500;

interface Dropped {
  from: number;
  to: number;
}

describe.each(stores)('a client of gateways on $name that stops reading', ({ start }) => {
  it.each<Format>(['json', 'msgpack'])(
    'costs the others nothing, then gets dropped and goes on, and history fills the hole: %s',
    async (format) => {
      const redis = await start();
      onTestFinished(() => redis.stop());
      const env = { REDIS_URL: redis.url, AGENTWIRE_QUEUE: '100', AGENTWIRE_HISTORY_SIZE: '10000' };
      const [here, there] = [await startGatewayProcess(env), await startGatewayProcess(env)];
      const others = [
        new Follower([here.port], ['slow.topic'], 'json'),
        new Follower([here.port], ['slow.*', '#'], 'msgpack'),
        new Follower([there.port], ['slow.topic'], 'json'),
      ];
      for (const other of others) await other.connect();
      const slow = await join(here.port, { format });
      await slow.request({ type: 'subscribe', topics: ['slow.topic'] });
      slow.pause();

      const publisher = await join(there.port);
      for (let i = 0; i < count; i += 1) {
        publisher.sendAsIs({ type: 'publish', topic: 'slow.topic', data: big });
        if (i % 20 === 19) await publisher.request({ type: 'history', topic: 'none' });
      }
      for (const other of others) {
        await other.reach(count);
        expect([other.faults, other.notices]).toEqual([[], []]);
      }
      expect(slow.closed).toBeUndefined();

      slow.resume();
      await publisher.request({ type: 'publish', topic: 'slow.topic', data: 'after' });
      await slow.waitFor((frame) => frame['data'] === 'after', 'the last event');
      const spans = slow.frames.filter(({ type }) => type !== 'ok').map(spanOf);
      const breaks = spans.filter(([from], i) => from !== (spans[i - 1]?.[1] ?? 0) + 1);
      expect([breaks, slow.of('dropped'), spans.at(-1)]).toEqual([[], expect.anything(), [count + 1, count + 1]]);
      const got = new Set(slow.events.map(({ seq }) => seq));

      const holes = slow.of('dropped').map(spanOf);
      expect(holes.length).toBeGreaterThan(0);
      for (const [from, to] of holes) {
        for (let after = from - 1; after < to;) {
          const request = { type: 'history', topic: 'slow.topic', after, limit: Math.min(1000, to - after) };
          const { events } = await slow.request<{ events: { seq: number }[] }>(request);
          for (const { seq } of events) got.add(seq);
          after = events.at(-1)!.seq;
        }
      }
      expect([...got].sort((a, b) => a - b)).toEqual(Array.from({ length: count + 1 }, (_, i) => i + 1));
      expect((await here.http('GET', '/metrics')).text).toContain('agentwire_behind_connections 0');
    },
    60_000,
  );
});

/** The numbers that a frame accounts for. */
function spanOf(frame: Frame): [number, number] {
  const { from, to } = frame as unknown as Dropped;
  return frame.type === 'dropped' ? [from, to] : [frame['seq'] as number, frame['seq'] as number];
}
