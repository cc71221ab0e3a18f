import { expect, it } from 'vitest';
import { join } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

interface History {
  events: { seq: number }[];
  more: boolean;
}

it('a history answer ends at about a megabyte, says that there is more, and goes on from there', async () => {
  const { port } = await startGateway();
  const client = await join(port);
  for (let i = 0; i < 5; i += 1) {
    await client.request({ type: 'publish', topic: 'big', data: 'x'.repeat(400_000) });
  }
  const seen: number[] = [];
  for (let more = true; more;) {
    const page = await client.request<History>({ type: 'history', topic: 'big', after: seen.length, limit: 1000 });
    expect(page.events.length).toBeLessThan(4);
    seen.push(...page.events.map(({ seq }) => seq));
    more = page.more;
  }
  expect(seen).toEqual([1, 2, 3, 4, 5]);
});

it('a topic may be named as something that every object has', async () => {
  const { port } = await startGateway();
  const client = await join(port);
  await client.request({ type: 'publish', topic: 'constructor', data: 1 });
  const { time } = await client.request<{ time: number }>({ type: 'subscribe', topics: ['other'] });
  await client.request({ type: 'publish', topic: 'constructor', data: 2 });
  const back = await join(port);
  const since = { positions: {}, time };
  const answer = await back.request<{ subscriptions: unknown[] }>({
    type: 'subscribe',
    topics: [{ topic: '*', since }],
  });
  expect(answer.subscriptions).toEqual([{ topic: '*', pattern: true, recovered: true }]);
  expect((await back.gather(1)).at(-1)).toMatchObject({ topic: 'constructor' });
});

it('a page of an unwelcome origin cannot publish by a plain request either', async () => {
  const { port } = await startGateway({ AGENTWIRE_ALLOWED_ORIGINS: 'https://ours.example' });
  const post = (origin: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}/v1/topics/a.b/publish`, {
      method: 'POST',
      headers: { origin },
      body: '{"data":1}',
    });
  expect((await post('https://evil.example')).status).toBe(403);
  expect((await post('https://ours.example')).status).toBe(200);
});
