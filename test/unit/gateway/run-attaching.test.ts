import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { fail } from '../../../shared/base/errors.ts';
import { runEnds } from '../../../shared/protocol/run-events.ts';
import { resultSchemas } from '../../../shared/protocol/requests.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import { join } from '../../support/client.ts';
import type { EventFrame, Format, Frame, TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';
import type { InProcess, InProcessOptions } from '../../support/in-process.ts';
import { workerByHand } from '../../support/worker-by-hand.ts';
import type { WorkerByHand } from '../../support/worker-by-hand.ts';

interface Scene extends InProcess {
  client: TestClient;
  worker: WorkerByHand;
}

async function scene(format: Format, env: Record<string, string> = {}, options: InProcessOptions = {}): Promise<Scene> {
  const gateway = await startGateway(env, options);
  const worker = await workerByHand(gateway.engine, 'echo');
  return { ...gateway, worker, client: await join(gateway.port, { format }) };
}

async function start(client: TestClient, fields: Record<string, unknown> = {}): Promise<string> {
  const result = await client.request({ type: 'run', agent: 'echo', input: 'hello', ...fields });
  expect(resultSchemas.run.parse(result)).toStrictEqual(result);
  return String(result['invocation']);
}

/** Begins, says these words and ends. */
async function carryOut(worker: WorkerByHand, run: string, words: readonly string[] = ['hello']): Promise<void> {
  const held = await worker.take(run);
  for (const text of words) held.say({ kind: 'chunk', text });
  await worker.end(held, { kind: 'completed', result: words.join('') });
}

const kindOf = ({ data }: EventFrame): string => (data as { kind: string }).kind;
const of = (client: TestClient, run: string): EventFrame[] =>
  client.events.filter(({ topic }) => topic === `run.${run}`);
const kinds = (client: TestClient, run: string): string[] => of(client, run).map(kindOf);
const whole = ['queued', 'started', 'chunk', 'completed'];

/** The events of the run up to its end, each once and in order. */
async function toTheEnd(client: TestClient, run: string): Promise<EventFrame[]> {
  await client.until(() => of(client, run).some((event) => runEnds.has(kindOf(event))), `the end of ${run}`);
  // What would come twice, or after the end, comes ahead of this answer.
  await client.request({ type: 'history', topic: 'none' });
  const events = of(client, run);
  const seqs = events.map(({ seq }) => seq);
  expect(seqs).toEqual(seqs.map((_, i) => seqs[0]! + i));
  return events;
}

async function subscriptionsOf(client: TestClient): Promise<number> {
  const { node } = await client.request<{ node: { subscriptions: number } }>({ type: 'metrics' });
  return node.subscriptions;
}

/** An attachment ends in the turn after its run's last event, or when it is looked for. */
async function expectHeld(client: TestClient, count: number): Promise<void> {
  await expect.poll(() => subscriptionsOf(client), { timeout: 10_000 }).toBe(count);
}

function expectAnswerFirst(client: TestClient, id: string | number, wanted: (event: EventFrame) => boolean): void {
  const answer = client.frames.findIndex((frame) => frame.id === id);
  const first = client.frames.findIndex((frame) => frame.type === 'event' && wanted(frame as EventFrame));
  expect(answer).toBeGreaterThanOrEqual(0);
  if (first >= 0) expect(answer).toBeLessThan(first);
}

describe.each<Format>(['json', 'msgpack'])('a run, in %s,', (format) => {
  it('is answered first, and its events follow from the first to the last', async () => {
    const { client, worker } = await scene(format);
    const id = client.send({ type: 'run', agent: 'echo', input: 'hello' });
    const answer = await client.answerTo(id);
    const { invocation, topic, state } = answer['result'] as Record<string, string>;
    expect([topic, state]).toEqual([`run.${invocation}`, 'queued']);
    await carryOut(worker, invocation!);
    expect((await toTheEnd(client, invocation!)).map(kindOf)).toEqual(whole);
    expectAnswerFirst(client, id, () => true);
    await expectHeld(client, 0);
  });

  it('without attach brings none', async () => {
    const { client, worker } = await scene(format);
    const run = await start(client, { attach: false });
    await carryOut(worker, run);
    await expectHeld(client, 0);
    expect(client.events).toEqual([]);
  });

  it('of the same key is the same, with its events from the start, also when it has ended', async () => {
    const { client, worker, port } = await scene(format);
    const other = await join(port, { format });
    const run = await start(client, { key: 'k' });
    await carryOut(worker, run);
    await toTheEnd(client, run);
    const again = await other.request({ type: 'run', agent: 'echo', input: 'another', key: 'k' });
    expect(again).toEqual({ invocation: run, topic: `run.${run}`, state: 'completed', duplicate: true });
    expect((await toTheEnd(other, run)).map(kindOf)).toEqual(whole);
    await expectHeld(client, 0);
  });

  it('counts towards no limit, and a subscription to the same topic does', async () => {
    const { client, worker } = await scene(format, { AGENTWIRE_MAX_SUBSCRIPTIONS: '1' });
    const runs = [await start(client), await start(client), await start(client)];
    await client.request({ type: 'subscribe', topics: ['a.b'] });
    expect(await client.refusal({ type: 'subscribe', topics: [`run.${runs[0]!}`] })).toBe('quota_exceeded');
    await client.request({ type: 'unsubscribe', topics: ['a.b'] });
    await client.request({ type: 'subscribe', topics: [`run.${runs[0]!}`] });
    expect(await client.refusal({ type: 'subscribe', topics: ['a.b'] })).toBe('quota_exceeded');
    for (const run of runs) await carryOut(worker, run);
    for (const run of runs) expect((await toTheEnd(client, run)).map(kindOf)).toEqual(whole);
    await expectHeld(client, 1);
  });

  it('leaves a subscription to its topic alone, whichever of the two was first', async () => {
    const { client, worker } = await scene(format);
    const late = await start(client);
    await client.request({ type: 'subscribe', topics: [{ topic: `run.${late}`, since: 'earliest' }] });
    const early = await start(client, { attach: false });
    await client.request({ type: 'subscribe', topics: [{ topic: `run.${early}`, since: 'earliest' }] });
    await client.request({ type: 'attach', invocation: early });
    for (const run of [late, early]) await carryOut(worker, run);
    for (const run of [late, early]) expect((await toTheEnd(client, run)).map(kindOf)).toEqual(whole);
    await expectHeld(client, 2);
    await client.request({ type: 'unsubscribe', topics: [`run.${late}`, `run.${early}`] });
    await expectHeld(client, 0);
  });

  it('is no longer heard of after an unsubscribe, and again after an attach', async () => {
    const { client, worker } = await scene(format);
    const run = await start(client);
    await client.gather(1);
    await client.request({ type: 'unsubscribe', topics: [`run.${run}`] });
    const held = await worker.take(run);
    held.say({ kind: 'chunk', text: 'unheard' });
    await expectHeld(client, 0);
    expect(kinds(client, run)).toEqual(['queued']);
    await client.request({ type: 'attach', invocation: run, after: 1 });
    await worker.end(held, { kind: 'completed', result: 1 });
    expect((await toTheEnd(client, run)).map(kindOf)).toEqual(whole);
  });

  it('reaches every connection that is attached, each in its own time', async () => {
    const { client, worker, port } = await scene(format);
    const others = [await join(port, { format: 'json' }), await join(port, { format: 'msgpack' })];
    const run = await start(client);
    const held = await worker.take(run);
    held.say({ kind: 'chunk', text: 'one' });
    await client.gather(3);
    const id = others[0]!.send({ type: 'attach', invocation: run });
    expect((await others[0]!.answerTo(id))['result']).toEqual({
      invocation: run,
      topic: `run.${run}`,
      state: 'running',
    });
    await others[1]!.request({ type: 'attach', invocation: run, after: 2 });
    held.say({ kind: 'chunk', text: 'two' });
    await worker.end(held, { kind: 'completed', result: 1 });
    const all = ['queued', 'started', 'chunk', 'chunk', 'completed'];
    expect((await toTheEnd(client, run)).map(kindOf)).toEqual(all);
    expect((await toTheEnd(others[0]!, run)).map(kindOf)).toEqual(all);
    expect((await toTheEnd(others[1]!, run)).map(kindOf)).toEqual(all.slice(2));
    expectAnswerFirst(others[0]!, id, () => true);
    await expectHeld(client, 0);
  });

  it('that has ended is told from where it is asked for, and nothing stays behind', async () => {
    const { client, worker, port } = await scene(format);
    const run = await start(client);
    await carryOut(worker, run);
    await toTheEnd(client, run);
    const asked: [number | undefined, string[]][] = [
      [undefined, whole],
      [0, whole],
      [2, whole.slice(2)],
      [3, whole.slice(3)],
      [4, []],
      // Of a numbering that was lost: all that there is.
      [1000, whole],
    ];
    for (const [after, expected] of asked) {
      const late = await join(port, { format });
      const result = await late.request({ type: 'attach', invocation: run, after });
      expect(resultSchemas.attach.parse(result)).toEqual({ invocation: run, topic: `run.${run}`, state: 'completed' });
      if (expected.length > 0) await toTheEnd(late, run);
      await expectHeld(late, 0);
      expect(kinds(late, run)).toEqual(expected);
    }
    // For the one that had it all, too, once it asks.
    await client.request({ type: 'attach', invocation: run });
    await client.until(() => of(client, run).length === 2 * whole.length);
    await expectHeld(client, 0);
  });

  it('is told once to who is attached already, however often and from wherever it asks', async () => {
    const { client, worker } = await scene(format);
    const run = await start(client);
    const held = await worker.take(run);
    await client.gather(2);
    for (const after of [undefined, 0, 1]) await client.request({ type: 'attach', invocation: run, after });
    await worker.end(held, { kind: 'completed', result: 1 });
    expect((await toTheEnd(client, run)).map(kindOf)).toEqual(['queued', 'started', 'completed']);
  });

  it('beside a pattern over all runs comes once, and the pattern stays', async () => {
    const { client, worker } = await scene(format, {}, { around: slowQueue });
    await client.request({ type: 'subscribe', topics: ['run.#'] });
    const ids: (string | number)[] = [];
    for (let i = 0; i < 20; i += 1) {
      const id = client.send({ type: 'run', agent: 'echo', input: i });
      ids.push(id);
      const run = String(((await client.answerTo(id))['result'] as { invocation: string }).invocation);
      await carryOut(worker, run);
      expect((await toTheEnd(client, run)).map(kindOf)).toEqual(whole);
      expectAnswerFirst(client, id, ({ topic }) => topic === `run.${run}`);
    }
    await expectHeld(client, 1);
    await client.request({ type: 'subscribe', topics: ['a.b'] });
    await client.request({ type: 'publish', topic: 'a.b', data: 1 });
    await client.until(() => client.events.some(({ topic }) => topic === 'a.b'));
  });

  it('asked for right ahead of a pattern over all runs comes from its first event on', async () => {
    const { client, worker } = await scene(format, {}, { around: slowQueue });
    const runs = Array.from({ length: 10 }, (_, i) => client.send({ type: 'run', agent: 'echo', input: i }));
    const pattern = client.send({ type: 'subscribe', topics: ['run.*'] });
    const more = client.send({ type: 'run', agent: 'echo', input: 'more' });
    await client.answerTo(pattern);
    for (const id of [...runs, more]) {
      const { invocation } = (await client.answerTo(id))['result'] as { invocation: string };
      await carryOut(worker, invocation);
      expect((await toTheEnd(client, invocation)).map(kindOf)).toEqual(whole);
    }
    await expectHeld(client, 1);
  });

  it('is one of many on a connection, and each is whole', async () => {
    const { client, worker } = await scene(format);
    const ids = Array.from({ length: 200 }, (_, i) => client.send({ type: 'run', agent: 'echo', input: i }));
    const runs: string[] = [];
    for (const id of ids) {
      runs.push(String(((await client.answerTo(id))['result'] as { invocation: string }).invocation));
    }
    await Promise.all(runs.map((run) => carryOut(worker, run)));
    for (const run of runs) expect((await toTheEnd(client, run)).map(kindOf)).toEqual(whole);
    ids.forEach((id, i) => expectAnswerFirst(client, id, ({ topic }) => topic === `run.${runs[i]!}`));
    await expectHeld(client, 0);
  });

  it('that is cancelled says so behind the answer', async () => {
    const { client } = await scene(format, {}, { around: slowQueue });
    const run = await start(client);
    await client.gather(1);
    const id = client.send({ type: 'cancel', invocation: run });
    expect((await toTheEnd(client, run)).map(kindOf)).toEqual(['queued', 'cancelled']);
    expectAnswerFirst(client, id, (event) => kindOf(event) === 'cancelled');
    await expectHeld(client, 0);
  });

  it('reaches a client that stops reading to the last event, with its holes announced', async () => {
    const { client, worker, port } = await scene(format, { AGENTWIRE_QUEUE: '50' });
    const other = await join(port);
    const run = await start(client);
    await client.gather(1);
    client.pause();
    const held = await worker.take(run);
    const text = 'x'.repeat(8 * 1024);
    const count = 1500;
    for (let i = 0; i < count; i += 1) {
      held.say({ kind: 'chunk', text });
      // The agent's side: no more is said than is taken.
      await held.room();
    }
    await other.request({ type: 'attach', invocation: run, after: count });
    await worker.end(held, { kind: 'completed', result: null });
    await other.until(() => of(other, run).some((event) => kindOf(event) === 'completed'));
    client.resume();
    await client.until(() => of(client, run).some((event) => kindOf(event) === 'completed'));
    let next = 1;
    for (const frame of client.frames) {
      if (frame.type !== 'event' && frame.type !== 'dropped') continue;
      const [from, to] = spanOf(frame);
      expect(from).toBe(next);
      next = to + 1;
    }
    expect(next).toBe(count + 4);
    expect(client.of('dropped').length).toBeGreaterThan(0);
    await expectHeld(client, 0);
  });
});

function spanOf(frame: Frame): [number, number] {
  return frame.type === 'event'
    ? [frame['seq'] as number, frame['seq'] as number]
    : [frame['from'] as number, frame['to'] as number];
}

/** A queue on the network: its answers come turns later than the events of what was queued. */
function slowQueue(engine: Engine): Engine {
  const jobs = engine.queue('runs');
  const { add, remove } = { add: jobs.add.bind(jobs), remove: jobs.remove.bind(jobs) };
  jobs.add = async (job) => turnsLater(await add(job));
  jobs.remove = async (id) => turnsLater(await remove(id));
  return engine;
}

async function turnsLater<T>(value: T): Promise<T> {
  for (let i = 0; i < 10; i += 1) await new Promise((resolve) => setImmediate(resolve));
  return value;
}

describe('a store that is away', () => {
  it('when a run has been attached to makes its events late, and neither lost nor an error', async () => {
    let away = false;
    const around = (engine: Engine): Engine => {
      const heads = engine.log.heads.bind(engine.log);
      engine.log.heads = (asks) => (away ? Promise.resolve(fail('unavailable')) : heads(asks));
      return engine;
    };
    const { client, worker } = await scene('json', {}, { around });
    const run = await start(client, { attach: false });
    away = true;
    await client.request({ type: 'attach', invocation: run });
    expect(await client.refusal({ type: 'subscribe', topics: ['run.#'] })).toBe('unavailable');
    await carryOut(worker, run);
    expect(client.events).toEqual([]);
    away = false;
    expect((await toTheEnd(client, run)).map(kindOf)).toEqual(whole);
    await expectHeld(client, 0);
  });

  it('is not asked for the events of a run that was just started here', async () => {
    const around = (engine: Engine): Engine => {
      const { heads, read } = { heads: engine.log.heads.bind(engine.log), read: engine.log.read.bind(engine.log) };
      const ofRun = (topic: string): boolean => topic.startsWith('run.');
      engine.log.heads = (asks) =>
        asks.some(({ topic }) => ofRun(topic)) ? Promise.resolve(fail('unavailable')) : heads(asks);
      engine.log.read = (topic, range) => (ofRun(topic) ? Promise.resolve(fail('unavailable')) : read(topic, range));
      return slowQueue(engine);
    };
    const { client, worker } = await scene('json', {}, { around });
    const run = await start(client);
    await carryOut(worker, run);
    expect((await toTheEnd(client, run)).map(kindOf)).toEqual(whole);
    await expectHeld(client, 0);
  });

  it('is asked again and again, but not for what was unsubscribed from meanwhile, nor for who has left', async () => {
    let asked = 0;
    const around = (engine: Engine): Engine => {
      engine.log.heads = (asks) => {
        asked += asks.filter(({ topic }) => topic.startsWith('run.')).length;
        return Promise.resolve(fail('unavailable'));
      };
      return engine;
    };
    const clock = new ManualClock();
    const { client, port } = await scene('json', {}, { around, clock });
    const gone = await join(port);
    const run = await start(client, { attach: false });
    for (const each of [gone, client]) await each.request({ type: 'attach', invocation: run });
    const later = async (): Promise<number> => {
      asked = 0;
      clock.advance(1000);
      await client.ask({ type: 'ping' });
      return asked;
    };
    expect(await later()).toBeGreaterThan(0);
    await client.request({ type: 'unsubscribe', topics: [`run.${run}`] });
    await gone.close();
    await expectHeld(client, 0);
    expect(await later()).toBe(0);
  });
});

describe('what cannot be run', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['an agent that nobody has', { agent: 'nobody', input: 1 }, 'not_found'],
    ['a session that there is not', { agent: 'echo', input: 1, session: 's' }, 'not_found'],
    ['no input', { agent: 'echo' }, 'bad_request'],
    ['attach that is no truth', { agent: 'echo', input: 1, attach: 'no' }, 'bad_request'],
    ['input that is too large once it is JSON', { agent: 'echo', input: '\u0001'.repeat(500) }, 'payload_too_large'],
    [
      'metadata that is too large',
      { agent: 'echo', input: 1, metadata: { a: '\u0001'.repeat(500) } },
      'payload_too_large',
    ],
  ])('%s', async (_what, fields, code) => {
    const { client } = await scene('msgpack', { AGENTWIRE_MAX_FRAME_BYTES: '2048' });
    expect(await client.refusal({ type: 'run', ...fields })).toBe(code);
    await expectHeld(client, 0);
  });
});
