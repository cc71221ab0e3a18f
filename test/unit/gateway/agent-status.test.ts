import { describe, expect, it } from 'vitest';
import { join } from '../../support/client.ts';
import type { TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

const report = (agentId: string, status: string): Record<string, unknown> => ({
  type: 'publish',
  topic: `agent.${agentId}.status`,
  data: { agentId, status },
});

const statuses = (client: TestClient): unknown[] =>
  client.events.map(({ data }) => (data as { status: string }).status);

const offline = { agentId: '7', status: 'offline', timestamp: expect.any(Number), reason: 'disconnected' };

/** What is told of agents, up to a word of the test's own. */
async function toldUntilNow(watcher: TestClient, port: number): Promise<unknown[]> {
  const marker = await join(port);
  await marker.request(report('marker', 'here'));
  await watcher.until(() => statuses(watcher).includes('here'), 'the marker');
  return statuses(watcher).filter((status) => status !== 'here');
}

describe('an agent whose connection ends', () => {
  it.each(['close', 'cut'] as const)('is offline after a %s, once for each agent that it spoke for', async (how) => {
    const { port } = await startGateway();
    const [watcher, agent] = [await join(port), await join(port)];
    await watcher.request({ type: 'subscribe', topics: ['agent.*.status'] });
    for (const status of ['idle', 'busy', 'idle']) await agent.request(report('7', status));
    await agent.request(report('8', 'busy'));
    await watcher.gather(4);
    void agent[how]();
    const last = (await watcher.gather(6)).slice(4);
    expect(last.map(({ topic }) => topic).sort()).toEqual(['agent.7.status', 'agent.8.status']);
    expect(last.find(({ topic }) => topic === 'agent.7.status')).toMatchObject({ seq: 4, data: offline });
    expect(await toldUntilNow(watcher, port)).toHaveLength(6);
  });

  it('is not reported where it said so itself', async () => {
    const { port } = await startGateway();
    const [watcher, agent] = [await join(port), await join(port)];
    await watcher.request({ type: 'subscribe', topics: ['agent.*.status'] });
    await agent.request(report('7', 'busy'));
    await agent.request(report('7', 'offline'));
    await agent.close();
    expect(await toldUntilNow(watcher, port)).toEqual(['busy', 'offline']);
  });

  it('is not reported where another connection speaks for it now, until that ends', async () => {
    const { port } = await startGateway();
    const [watcher, before, after] = [await join(port), await join(port), await join(port)];
    await watcher.request({ type: 'subscribe', topics: ['agent.*.status'] });
    await before.request(report('7', 'busy'));
    await after.request(report('7', 'idle'));
    await before.close();
    expect(await toldUntilNow(watcher, port)).toEqual(['busy', 'idle']);
    await after.close();
    expect((await watcher.gather(4)).at(-1)).toMatchObject({ topic: 'agent.7.status', data: offline });
  });

  it('is reported again when it came back and ends again', async () => {
    const { port } = await startGateway();
    const watcher = await join(port);
    await watcher.request({ type: 'subscribe', topics: ['agent.*.status'] });
    for (let times = 1; times <= 3; times += 1) {
      const agent = await join(port);
      await agent.request(report('7', 'busy'));
      await agent.close();
      await watcher.gather(2 * times);
    }
    expect(statuses(watcher)).toEqual(['busy', 'offline', 'busy', 'offline', 'busy', 'offline']);
  });

  it('is nobody where the status came over HTTP, or was ephemeral', async () => {
    const { port, http } = await startGateway();
    const [watcher, agent] = [await join(port), await join(port)];
    await watcher.request({ type: 'subscribe', topics: ['agent.*.status'] });
    const { data } = report('7', 'busy');
    expect((await http('POST', '/v1/topics/agent.7.status/publish', { data })).status).toBe(200);
    await agent.request({ ...report('7', 'idle'), ephemeral: true });
    await agent.close();
    expect(await toldUntilNow(watcher, port)).toEqual(['busy', 'idle']);
  });
});

describe('statuses of one connection', () => {
  it('stand in the order in which they were sent, however many at once, and however often it takes turns', async () => {
    const { port } = await startGateway();
    const [one, two] = [await join(port), await join(port)];
    const both = [one, two].map(async (client, c) => {
      const sent = Array.from({ length: 40 }, (_, i) => client.send(report('7', `${c}-${i}`)));
      await Promise.all(sent.map((id) => client.answerTo(id)));
    });
    await Promise.all(both);
    const { events } = await one.request<{ events: { data: { status: string } }[] }>({
      type: 'history',
      topic: 'agent.7.status',
    });
    const heard = events.map(({ data }) => data.status);
    for (const c of [0, 1]) {
      const own = heard.filter((status) => status.startsWith(`${c}-`));
      expect(own).toEqual(Array.from({ length: 40 }, (_, i) => `${c}-${i}`));
    }
  });

  it('are published once with one messageId, also where that makes it the owner', async () => {
    const { port } = await startGateway();
    const [one, two] = [await join(port), await join(port)];
    const frame = { ...report('7', 'busy'), messageId: 'm' };
    expect(await one.request(frame)).not.toHaveProperty('duplicate');
    expect(await one.request(frame)).toMatchObject({ seq: 1, duplicate: true });
    expect(await two.request(frame)).toMatchObject({ seq: 1, duplicate: true });
    expect(await two.request(report('7', 'idle'))).toMatchObject({ seq: 2 });
  });
});
