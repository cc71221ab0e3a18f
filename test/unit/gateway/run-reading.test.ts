import { describe, expect, it } from 'vitest';
import type { Engine } from '../../../shared/engine/engine.ts';
import { join } from '../../support/client.ts';
import type { Format, TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';
import type { InProcess, InProcessOptions } from '../../support/in-process.ts';
import { listen, refusal } from '../../support/sse.ts';
import { workerByHand } from '../../support/worker-by-hand.ts';

const guarded = { AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'tok-a=alice,tok-b=bob' };

interface Scene extends InProcess {
  alice: TestClient;
  bob: TestClient;
  /** Of alice, in her session `hers`. */
  run: string;
}

async function scene(format: Format = 'json', options: InProcessOptions = {}): Promise<Scene> {
  const gateway = await startGateway(guarded, options);
  const as = (token: string): Promise<TestClient> =>
    join(gateway.port, { format, headers: { authorization: `Bearer ${token}` } });
  const [alice, bob] = [await as('tok-a'), await as('tok-b')];
  await workerByHand(gateway.engine, 'echo');
  await alice.request({ type: 'session.create', session: 'hers' });
  const started = await alice.request({ type: 'run', agent: 'echo', input: 1, session: 'hers', attach: false });
  return { ...gateway, alice, bob, run: String(started['invocation']) };
}

/** Of her session; what else matches it belongs to it, too. */
const ofSession = ['session.hers', 'session.hers.runs', 'session.hers.#', 'session.hers.*', 'session.hers.#.x'];
const ofNobody = [
  'run.nothing',
  'run.*',
  'run.#',
  'run.*.x',
  'session.none',
  'session.none.runs',
  'session.*',
  'session.#',
  'session.*.runs',
  '$sys',
  '$sys.#',
];

describe.each<Format>(['json', 'msgpack'])('the topics of runs and sessions, in %s,', (format) => {
  it('are read by whom they belong to', async () => {
    const { alice, run } = await scene(format);
    const topics = [`run.${run}`, ...ofSession];
    await alice.request({
      type: 'subscribe',
      topics: topics.map((topic) => ({ topic, since: topic.includes('#') ? { time: 0 } : 'earliest' })),
    });
    const kinds = async (topic: string): Promise<unknown> => {
      const event = await alice.waitFor((frame) => frame.type === 'event' && frame['topic'] === topic);
      return (event['data'] as { kind: string }).kind;
    };
    expect([await kinds(`run.${run}`), await kinds('session.hers.runs')]).toEqual(['queued', 'queued']);
    for (const topic of [`run.${run}`, 'session.hers.runs']) {
      expect(await alice.request({ type: 'history', topic })).toMatchObject({ seq: 1, events: [{ topic }] });
    }
  });

  it('are forbidden to others, whether they are there or not', async () => {
    const { alice, bob, run } = await scene(format);
    for (const topic of [`run.${run}`, ...ofSession, ...ofNobody]) {
      expect([topic, await bob.refusal({ type: 'subscribe', topics: ['a.b', topic] })]).toEqual([topic, 'forbidden']);
    }
    for (const topic of [`run.${run}`, 'session.hers.runs', 'session.hers', 'run.nothing', 'session.none', '$sys']) {
      expect([topic, await bob.refusal({ type: 'history', topic })]).toEqual([topic, 'forbidden']);
    }
    for (const topic of [...ofNobody, `run.${run}.x`]) {
      expect([topic, await alice.refusal({ type: 'subscribe', topics: [topic] })]).toEqual([topic, 'forbidden']);
    }
    const { node } = await bob.request<{ node: { subscriptions: number } }>({ type: 'metrics' });
    expect(node.subscriptions).toBe(0);
  });

  it('are not reached by patterns that begin with a wildcard', async () => {
    const { alice, bob, run } = await scene(format);
    await bob.request({ type: 'subscribe', topics: ['#', '*.*', `*.${run}`, 'a.b'] });
    await alice.request({ type: 'cancel', invocation: run });
    await alice.request({ type: 'publish', topic: 'a.b', data: 'last' });
    await bob.waitFor((frame) => frame['data'] === 'last');
    // That a run ended is for all to see, as the task that it is; what it said is not.
    const heard = bob.events.map(({ topic }) => topic).filter((topic) => !topic.startsWith('task.'));
    expect(heard).toEqual(['a.b']);
  });
});

it('over SSE they are their owner’s as well', async () => {
  const { port, run, alice } = await scene();
  const paths = [
    `/v1/topics/run.${run}/events`,
    '/v1/topics/session.hers.runs/events',
    `/v1/stream?topic=a.b&topic=run.${run}`,
    '/v1/stream?topic=session.hers.%23',
    `/v1/runs/${run}/events`,
  ];
  for (const path of paths) {
    const refused = await refusal(port, path, { authorization: 'Bearer tok-b' });
    expect([path, refused.status]).toEqual([path, path.startsWith('/v1/runs') ? 404 : 403]);
  }
  const streams = await Promise.all(paths.map((path) => listen(port, path, { authorization: 'Bearer tok-a' })));
  await alice.request({ type: 'cancel', invocation: run });
  for (const stream of streams) await stream.gather(1);
});

it('nobody is asked about other names, nor for those who may see everything', async () => {
  const read: string[] = [];
  const around = (engine: Engine): Engine => {
    const records = engine.records.read.bind(engine.records);
    engine.records.read = (home, keys) => {
      read.push(home);
      return records(home, keys);
    };
    return engine;
  };
  const { alice, bob } = await scene('json', { around });
  read.length = 0;
  await bob.request({ type: 'subscribe', topics: ['a.b', 'agent.#', '#', 'swarm.x.vote'] });
  await bob.request({ type: 'history', topic: 'a.b' });
  expect(read).toEqual([]);
  await alice.request({ type: 'subscribe', topics: [...ofSession, 'a.b'] });
  expect(read).toEqual(['session.hers']);

  const { port } = await startGateway({}, { around });
  const anybody = await join(port);
  read.length = 0;
  await anybody.request({ type: 'subscribe', topics: ['run.#', 'session.#', 'run.nothing', '$sys'] });
  await anybody.request({ type: 'history', topic: 'session.none.runs' });
  expect(read).toEqual([]);
});
