import { describe, expect, it } from 'vitest';
import { join } from '../../support/client.ts';
import type { Format, Frame, TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

const big = 'x'.repeat(8 * 1024);

interface Span {
  topic: string;
  from: number;
  to: number;
  count: number;
}

/** Events and notices together, as spans of numbers: what a client can account for. */
function spans(frames: readonly Frame[], topic: string): [number, number][] {
  return frames
    .filter((frame) => frame['topic'] === topic && (frame.type === 'event' || frame.type === 'dropped'))
    .map((frame) => {
      if (frame.type === 'event') return [frame['seq'] as number, frame['seq'] as number];
      const { from, to, count } = frame as unknown as Span;
      expect(count).toBe(to - from + 1);
      return [from, to];
    });
}

function expectUnbroken(frames: readonly Frame[], topic: string, last: number): void {
  let next = 1;
  for (const [from, to] of spans(frames, topic)) {
    expect(from).toBe(next);
    next = to + 1;
  }
  expect(next).toBe(last + 1);
}

/** More than the kernel takes for a client that does not read, and more than it may lag. */
async function flood(publisher: TestClient, topics: readonly string[], count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    for (const topic of topics) publisher.sendAsIs({ type: 'publish', topic, data: big });
    if (i % 20 === 0) await publisher.request({ type: 'history', topic: 'none' });
  }
}

describe.each<Format>(['json', 'msgpack'])('a client that stops reading, in %s,', (format) => {
  it.each([
    ['by name', ['slow.1', 'slow.2']],
    ['by patterns that overlap', ['slow.*', '#', 'slow.1']],
  ])('costs the others nothing, is told what it will not get, and goes on: %s', async (_how, names) => {
    const { port } = await startGateway({ AGENTWIRE_QUEUE: '50' });
    const [slow, other, publisher] = [await join(port, { format }), await join(port), await join(port)];
    const topics = ['slow.1', 'slow.2'];
    await slow.request({ type: 'subscribe', topics: names });
    await other.request({ type: 'subscribe', topics });
    slow.pause();
    const count = 1500;
    await flood(publisher, topics, count);
    await other.gather(count * topics.length);
    expect(other.of('dropped')).toEqual([]);

    slow.resume();
    for (const topic of topics) await publisher.request({ type: 'publish', topic, data: 'after' });
    for (const topic of topics) {
      await slow.waitFor((frame) => frame['topic'] === topic && frame['data'] === 'after', `the end of ${topic}`);
      expectUnbroken(slow.frames, topic, count + 1);
    }
    expect(slow.of('dropped').length).toBeGreaterThan(0);

    // Live again, as if nothing had been.
    await publisher.request({ type: 'publish', topic: 'slow.1', data: 'live' });
    await slow.waitFor((frame) => frame['data'] === 'live');
    // What was given up last is kept yet: history fills the hole.
    const { topic, to } = slow.of('dropped').at(-1) as unknown as Span;
    const hole = await slow.request<{ events: { seq: number }[] }>({
      type: 'history',
      topic,
      after: to - 50,
      limit: 50,
    });
    expect(hole.events.map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, i) => to - 49 + i));
  });

  it('still gets every answer to what it asked, before any event that follows', async () => {
    const { port } = await startGateway({ AGENTWIRE_QUEUE: '50' });
    const [slow, publisher] = [await join(port, { format }), await join(port)];
    await slow.request({ type: 'subscribe', topics: ['slow.1'] });
    slow.pause();
    await flood(publisher, ['slow.1'], 1500);
    const ids = Array.from({ length: 100 }, (_, i) => slow.send({ type: 'publish', topic: 'from.slow', data: i }));
    await publisher.request({ type: 'subscribe', topics: [{ topic: 'from.slow', since: 'earliest' }] });
    await publisher.waitFor((frame) => frame['topic'] === 'from.slow' && frame['seq'] === 100);
    slow.resume();
    for (const id of ids) expect((await slow.answerTo(id)).type).toBe('ok');
    await publisher.request({ type: 'publish', topic: 'slow.1', data: 'after' });
    await slow.waitFor((frame) => frame['data'] === 'after');
    expectUnbroken(slow.frames, 'slow.1', 1501);
  });
});
