import { describe, expect, it } from 'vitest';
import { wellKnownOf } from '../../../services/gateway/core/well-known.ts';
import { join } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

/** For each topic what may be published there; what it holds besides is passed on. */
const good: [topic: string, data: Record<string, unknown>][] = [
  ['agent.7.status', { agentId: '7', status: 'busy', timestamp: 1, load: { cpu: 0.5 } }],
  ['agent.7.status', { agentId: '7', status: 'on-holiday', timestamp: '2025-11-21T16:00:00Z' }],
  ['agent.7.health', { agentId: '7', healthy: false }],
  ['agent.7.metrics', { agentId: '7', metrics: { tokens: 12, seconds: 0.4 } }],
  ['agent.7.logs', { agentId: '7', level: 'info', message: '' }],
  ['task.t.created', { taskId: 't' }],
  ['task.t.assigned', { taskId: 't', agentId: '7' }],
  ['task.t.progress', { taskId: 't', progress: 0, status: 'running' }],
  ['task.t.progress', { taskId: 't', progress: 100, status: '' }],
  ['task.t.completed', { taskId: 't', result: null }],
  ['task.t.failed', { taskId: 't', error: 'it broke' }],
  ['swarm.s.topology', { swarmId: 's', oldTopology: null, newTopology: 'ring' }],
  ['swarm.s.membership', { swarmId: 's', agentId: '7', change: 'joined' }],
  ['swarm.s.coordination', { swarmId: 's', anything: [1, 2] }],
];

/** And what is refused, with the field that the answer begins with. */
const bad: [topic: string, data: unknown, field: string][] = [
  ['agent.7.status', { agentId: '7' }, 'status'],
  ['agent.7.status', { agentId: '7', status: 3 }, 'status'],
  ['agent.7.status', { agentId: '8', status: 'busy' }, 'agentId'],
  ['agent.7.status', { status: 'busy' }, 'agentId'],
  ['agent.7.status', 'busy', 'data'],
  ['agent.7.status', null, 'data'],
  ['agent.7.health', { agentId: '7', healthy: 'yes' }, 'healthy'],
  ['agent.7.metrics', { agentId: '7', metrics: { tokens: 'many' } }, 'metrics.tokens'],
  ['agent.7.logs', { agentId: '7', level: 'info' }, 'message'],
  ['task.t.created', { taskId: 'u' }, 'taskId'],
  ['task.t.progress', { taskId: 't', progress: 140, status: 'running' }, 'progress'],
  ['task.t.progress', { taskId: 't', progress: -1, status: 'running' }, 'progress'],
  ['task.t.failed', { taskId: 't' }, 'error'],
  ['task.t.failed', { taskId: 't', error: null }, 'error'],
  ['swarm.s.topology', { swarmId: 's', oldTopology: 'ring' }, 'newTopology'],
  ['swarm.s.membership', { swarmId: 's', agentId: '7', change: 'vanished' }, 'change'],
  ['swarm.s.coordination', { swarmId: 'other' }, 'swarmId'],
];

describe('payloads of the well-known topics', () => {
  it('go as they are, with all that they hold', async () => {
    const { port } = await startGateway();
    const [publisher, reader] = [await join(port), await join(port, { format: 'msgpack' })];
    await reader.request({ type: 'subscribe', topics: ['#'] });
    for (const [topic, data] of good) await publisher.request({ type: 'publish', topic, data });
    const events = await reader.gather(good.length);
    expect(events.map(({ topic, data }) => [topic, data])).toEqual(good);
  });

  it.each(bad)('%s refuses %j, because of its %s', async (topic, data, field) => {
    const { port, http } = await startGateway();
    const client = await join(port, { format: 'msgpack' });
    const answer = await client.ask({ type: 'publish', topic, data });
    expect(answer).toMatchObject({ type: 'error', error: { code: 'bad_request' } });
    expect((answer['error'] as { message: string }).message.split(' ')[0]).toBe(field);
    expect(await client.refusal({ type: 'publish', topic, data, ephemeral: true })).toBe('bad_request');
    expect((await http('POST', `/v1/topics/${topic}/publish`, { data })).status).toBe(400);
    expect(await client.request({ type: 'history', topic })).toMatchObject({ seq: 0, events: [] });
  });

  it.each([
    'agent.7',
    'agent.7.mood',
    'agent.7.status.now',
    'agent.constructor.constructor',
    'agents.7.status',
    'task.t',
    'task.t.notes',
    'tasks.t.created',
    'swarm.s.chatter',
    'a',
    'status',
    'x.agent.status',
  ])('do not reach to %s, which takes what comes', async (topic) => {
    expect(wellKnownOf(topic)).toBeUndefined();
    const { port } = await startGateway();
    const client = await join(port);
    expect(await client.request({ type: 'publish', topic, data: 'anything' })).toMatchObject({ seq: 1 });
  });

  it('are known by topic, with what stands in it', () => {
    expect(wellKnownOf('agent.a-1.status')).toMatchObject({ id: 'a-1', field: 'agentId', retained: true });
    const retained = good.filter(([topic]) => wellKnownOf(topic)?.retained).map(([topic]) => topic.split('.')[2]);
    expect(new Set(retained)).toEqual(new Set(['status', 'health', 'progress']));
    expect(good.filter(([topic]) => wellKnownOf(topic)?.isStatus).map(([topic]) => topic)).toEqual([
      'agent.7.status',
      'agent.7.status',
    ]);
  });
});
