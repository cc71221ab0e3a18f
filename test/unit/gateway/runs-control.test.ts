import { describe, expect, it } from 'vitest';
import { resultSchemas } from '../../../shared/protocol/requests.ts';
import { join } from '../../support/client.ts';
import type { Format, TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';
import type { InProcess } from '../../support/in-process.ts';
import { workerByHand } from '../../support/worker-by-hand.ts';
import type { WorkerByHand } from '../../support/worker-by-hand.ts';

interface Scene {
  gateway: InProcess;
  client: TestClient;
  worker: WorkerByHand;
  /** Starts a run, and gives back its id. */
  start: (fields?: Record<string, unknown>) => Promise<string>;
  /** The result of a request of one run, which must be as the schema has it. */
  ask: (type: Asked, invocation: string, fields?: Record<string, unknown>) => Promise<Record<string, unknown>>;
  refusal: (type: Asked, invocation: string, fields?: Record<string, unknown>) => Promise<string>;
  record: (invocation: string) => Promise<Record<string, unknown>>;
}

type Asked = 'cancel' | 'status' | 'pause' | 'resume' | 'approve';

async function scene(format: Format): Promise<Scene> {
  const gateway = await startGateway();
  const worker = await workerByHand(gateway.engine, 'echo', 'other');
  const client = await join(gateway.port, { format });
  const start: Scene['start'] = async (fields = {}) => {
    const frame = { type: 'run', agent: 'echo', input: 'hello', attach: false, ...fields };
    return (await client.request<{ invocation: string }>(frame)).invocation;
  };
  const ask: Scene['ask'] = async (type, invocation, fields = {}) => {
    const result = await client.request({ type, invocation, ...fields });
    expect(resultSchemas[type].parse(result)).toStrictEqual(result);
    return result;
  };
  return {
    gateway,
    client,
    worker,
    start,
    ask,
    refusal: (type, invocation, fields = {}) => client.refusal({ type, invocation, ...fields }),
    record: async (invocation) => (await ask('status', invocation))['invocation'] as Record<string, unknown>,
  };
}

const call = { call: 'c-1', name: 'delete', args: { path: 'a' } };

describe.each<Format>(['json', 'msgpack'])('over the native protocol, as %s', (format) => {
  it('the status is the record, from the start to the end', async () => {
    const { worker, start, record } = await scene(format);
    const run = await start({ priority: 3, metadata: { for: 'a test', n: null } });
    const queued = {
      invocation: run,
      agent: 'echo',
      state: 'queued',
      attempt: 0,
      priority: 3,
      createdAt: expect.any(Number),
      pending: [],
      metadata: { for: 'a test', n: null },
    };
    expect(await record(run)).toEqual(queued);
    const held = await worker.take(run);
    expect(await record(run)).toEqual({ ...queued, state: 'running', attempt: 1, startedAt: expect.any(Number) });
    const ended = await held.end({ kind: 'completed', result: { n: 1 } }, { messages: [] }, { tokens: 5 });
    expect(ended.ok).toBe(true);
    expect(await record(run)).toEqual({
      ...queued,
      state: 'completed',
      attempt: 1,
      startedAt: expect.any(Number),
      endedAt: expect.any(Number),
      result: { n: 1 },
      usage: { tokens: 5 },
    });
  });

  it('a cancel of a run that waits ends it, with the reason in its events and on its record', async () => {
    const { client, start, ask, record, refusal } = await scene(format);
    const run = await start();
    expect(await ask('cancel', run, { reason: 'not needed' })).toEqual({ invocation: run, state: 'cancelled' });
    expect(await record(run)).toMatchObject({
      state: 'cancelled',
      cancelRequested: true,
      reason: 'not needed',
      attempt: 0,
    });
    const { events } = await client.request<{ events: { data: unknown }[] }>({ type: 'history', topic: `run.${run}` });
    expect(events.map(({ data }) => data)).toEqual([{ kind: 'queued' }, { kind: 'cancelled', reason: 'not needed' }]);
    for (const type of ['cancel', 'pause', 'resume'] as const) expect(await refusal(type, run)).toBe('conflict');
    expect(await refusal('approve', run, { call: 'c-1', decision: 'approve' })).toBe('conflict');
  });

  it('a cancel of a run at work is on the record when it is answered, and nothing the agent says is stronger', async () => {
    const { worker, start, ask, record } = await scene(format);
    const run = await start();
    const held = await worker.take(run);
    expect(await ask('cancel', run, { reason: 'first' })).toEqual({ invocation: run, state: 'running' });
    expect(await record(run)).toMatchObject({ state: 'running', cancelRequested: true, reason: 'first' });
    expect(await ask('cancel', run, { reason: 'second' })).toEqual({ invocation: run, state: 'running' });
    await worker.end(held, { kind: 'completed', result: 1 });
    expect(await record(run)).toMatchObject({ state: 'cancelled' });
    expect(await record(run)).not.toHaveProperty('result');
  });

  it('a run that waits is paused at once, and resumed to where it was', async () => {
    const { start, ask, refusal } = await scene(format);
    const run = await start();
    for (let twice = 0; twice < 2; twice += 1) {
      expect(await ask('pause', run)).toEqual({ invocation: run, state: 'paused' });
    }
    expect(await ask('resume', run)).toEqual({ invocation: run, state: 'queued' });
    expect(await refusal('resume', run)).toBe('conflict');
  });

  it('a run at work is paused when its worker comes to it, and goes on when it is told', async () => {
    const { worker, start, ask, record } = await scene(format);
    const run = await start();
    const held = await worker.take(run);
    expect(await ask('pause', run)).toEqual({ invocation: run, state: 'running' });
    await held.look();
    await held.holdStill();
    expect(await record(run)).toMatchObject({ state: 'paused' });
    expect(await ask('resume', run)).toEqual({ invocation: run, state: 'paused' });
    await held.look();
    await held.goOn();
    expect(await record(run)).toMatchObject({ state: 'running' });
  });

  it('an approval reaches the run with its note and its edited arguments, and is made once', async () => {
    const { worker, start, ask, record, refusal } = await scene(format);
    const run = await start();
    const held = await worker.take(run);
    const asked = await held.ask(call);
    expect(asked.ok).toBe(true);
    expect(await record(run)).toMatchObject({ state: 'waiting_approval', pending: [call] });
    expect(await refusal('approve', run, { call: 'c-2', decision: 'approve' })).toBe('not_found');
    const decision = { call: 'c-1', decision: 'approve', note: 'go', input: { path: 'b' } };
    expect(await ask('approve', run, decision)).toEqual({ invocation: run, call: 'c-1' });
    expect(await refusal('approve', run, { call: 'c-1', decision: 'reject' })).toBe('conflict');
    expect((await record(run))['pending']).toEqual([]);
    await held.look();
    expect(held.run.decisions).toEqual({ 'c-1': { decision: 'approve', note: 'go', input: { path: 'b' } } });
  });

  it('a rejection is one, and leaves the arguments as they were', async () => {
    const { worker, start, ask } = await scene(format);
    const run = await start();
    const held = await worker.take(run);
    await held.ask(call);
    await ask('approve', run, { call: 'c-1', decision: 'reject', note: null });
    await held.look();
    expect(held.run.decisions).toEqual({ 'c-1': { decision: 'reject' } });
  });

  it('lists the runs, the newest first, by session and state and page by page', async () => {
    const { client, start, ask } = await scene(format);
    await client.request({ type: 'session.create', session: 's-1' });
    const [first, second, third] = [await start(), await start({ session: 's-1' }), await start({ agent: 'other' })];
    await ask('cancel', first!);
    const list = async (fields: Record<string, unknown> = {}): Promise<{ ids: string[]; cursor?: string }> => {
      const result = await client.request({ type: 'runs', ...fields });
      const page = resultSchemas.runs.parse(result);
      expect(page).toStrictEqual(result);
      const ids = page.invocations.map(({ invocation }) => invocation);
      return page.cursor === undefined ? { ids } : { ids, cursor: page.cursor };
    };
    expect((await list()).ids).toEqual([third, second, first]);
    expect((await list({ session: 's-1' })).ids).toEqual([second]);
    expect((await list({ state: 'cancelled' })).ids).toEqual([first]);
    const seen: string[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = await list({ limit: 1, ...(cursor === undefined ? {} : { cursor }) });
      expect(page.ids.length).toBeLessThanOrEqual(1);
      seen.push(...page.ids);
      cursor = page.cursor;
      pages += 1;
    } while (cursor !== undefined && pages < 10);
    expect(seen).toEqual([third, second, first]);
    expect(cursor).toBeUndefined();
  });

  it('ends a page of runs where the answer is long enough, and goes on behind it', async () => {
    const { client, worker, start } = await scene(format);
    const ids: string[] = [];
    for (let i = 0; i < 5; i += 1) {
      ids.unshift(await start());
      await worker.end(await worker.take(ids[0]!), { kind: 'completed', result: 'x'.repeat(400_000) });
    }
    const seen: string[][] = [];
    let cursor: unknown;
    do {
      const page = await client.request<{ invocations: { invocation: string }[]; cursor?: string }>({
        type: 'runs',
        cursor,
      });
      seen.push(page.invocations.map(({ invocation }) => invocation));
      cursor = page.cursor ?? null;
    } while (cursor !== null && seen.length < 10);
    expect(seen).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
  });

  it('shows workers and the queue beside the nodes', async () => {
    const { client, gateway, start } = await scene(format);
    await start();
    const { cluster } = await client.request<{ cluster: Record<string, unknown> }>({ type: 'metrics' });
    expect(cluster).toMatchObject({
      nodes: [{ node: expect.any(String) }],
      workers: [{ worker: 'by-hand', slots: 1, agents: [{ name: 'echo' }, { name: 'other' }] }],
      queue: { waiting: 1, delayed: 0, running: 0 },
    });
    expect((await gateway.http('GET', '/v1/cluster')).json()).toMatchObject({ cluster: { queue: { waiting: 1 } } });
  });
});

describe('what belongs to somebody', () => {
  const env = { AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'tok-a=alice,tok-b=bob' };
  const as = (port: number, token: string): Promise<TestClient> =>
    join(port, { headers: { authorization: `Bearer ${token}` } });

  it('is not there for others', async () => {
    const gateway = await startGateway(env);
    const worker = await workerByHand(gateway.engine, 'echo');
    const [alice, bob] = [await as(gateway.port, 'tok-a'), await as(gateway.port, 'tok-b')];
    await alice.request({ type: 'session.create', session: 's-1' });
    const { invocation } = await alice.request({ type: 'run', agent: 'echo', input: 1, session: 's-1', attach: false });
    const held = await worker.take(String(invocation));
    await held.ask(call);
    for (const frame of [
      { type: 'status' },
      { type: 'cancel' },
      { type: 'pause' },
      { type: 'resume' },
      { type: 'approve', call: 'c-1', decision: 'approve' },
      { type: 'attach' },
    ]) {
      expect([frame.type, await bob.refusal({ invocation, ...frame })]).toEqual([frame.type, 'not_found']);
    }
    for (const type of ['session.get', 'session.messages']) {
      expect([type, await bob.refusal({ type, session: 's-1' })]).toEqual([type, 'not_found']);
    }
    expect(await bob.request({ type: 'runs' })).toEqual({ invocations: [] });
    const status = await alice.request<{ invocation: object }>({ type: 'status', invocation });
    expect(status.invocation).toMatchObject({ state: 'waiting_approval', pending: [call] });
    expect(status.invocation).not.toHaveProperty('cancelRequested');
  });
});

describe('what cannot be', () => {
  it.each<[string, Record<string, unknown>]>([
    ['no invocation', { type: 'status' }],
    ['an invocation that is no text', { type: 'status', invocation: 7 }],
    ['an empty invocation', { type: 'cancel', invocation: '' }],
    ['an invocation that is too long', { type: 'pause', invocation: 'x'.repeat(65) }],
    ['a reason that is no text', { type: 'cancel', invocation: 'x', reason: {} }],
    ['a reason that is too long', { type: 'cancel', invocation: 'x', reason: 'x'.repeat(1025) }],
    ['no call', { type: 'approve', invocation: 'x', decision: 'approve' }],
    ['no decision', { type: 'approve', invocation: 'x', call: 'c' }],
    ['a decision that is none', { type: 'approve', invocation: 'x', call: 'c', decision: 'maybe' }],
    [
      'a note that is too long',
      { type: 'approve', invocation: 'x', call: 'c', decision: 'reject', note: 'x'.repeat(4097) },
    ],
    ['a state that there is not', { type: 'runs', state: 'done' }],
    ['no runs at all', { type: 'runs', limit: 0 }],
    ['too many runs', { type: 'runs', limit: 1001 }],
    ['a session with a dot', { type: 'runs', session: 'a.b' }],
    ['a cursor that is empty', { type: 'runs', cursor: '' }],
    ['a cursor that no page gave', { type: 'runs', cursor: 'nonsense' }],
  ])('is a bad request: %s', async (_what, frame) => {
    const { port } = await startGateway();
    const client = await join(port);
    expect(await client.refusal(frame)).toBe('bad_request');
  });

  it.each(['status', 'cancel', 'pause', 'resume', 'approve', 'attach'])(
    '%s of a run that there is not',
    async (type) => {
      const { port, logged } = await startGateway();
      const client = await join(port);
      for (const invocation of [
        'nothing',
        'a.b',
        '#',
        '*',
        'a b',
        '\u0000',
        '\ud800',
        '__proto__',
        '../x',
        '{run.x}',
      ]) {
        const code = await client.refusal({ type, invocation, call: 'c', decision: 'approve' });
        expect([invocation, code]).toEqual([invocation, 'not_found']);
      }
      expect(logged.filter(({ level }) => level === 'error')).toEqual([]);
    },
  );
});
