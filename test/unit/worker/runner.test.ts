import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import type { AgentContext, AgentOutput } from '../../../services/worker/agent.ts';
import { agent, comesTo, endOf, quiet, stateIs, TestJob, World } from './runner-harness.ts';

const forever = (): Promise<never> => new Promise(() => {});

describe('a run', () => {
  test('streams, and ends with what the agent returned', async () => {
    const world = new World();
    const runner = world.runner([
      agent(async function* ({ input, attempt, invocation }: AgentContext) {
        yield 'one ';
        yield { kind: 'chunk', text: 'two' };
        yield { kind: 'message', role: 'assistant', content: { input } };
        yield { kind: 'tool_call', call: 'c', name: 'n', args: [1] };
        yield { kind: 'tool_result', call: 'c', result: null };
        return { attempt, invocation };
      }),
    ]);
    const invocation = await world.start({}, { a: 1 });
    expect(await runner.work(new TestJob(invocation))).toBe('done');
    const result = { attempt: 1, invocation };
    expect(await world.events(invocation)).toEqual([
      { kind: 'queued' },
      { kind: 'started', attempt: 1 },
      { kind: 'chunk', text: 'one ' },
      { kind: 'chunk', text: 'two' },
      { kind: 'message', role: 'assistant', content: { input: { a: 1 } } },
      { kind: 'tool_call', call: 'c', name: 'n', args: [1] },
      { kind: 'tool_result', call: 'c', result: null },
      { kind: 'completed', result },
    ]);
    expect(await world.run(invocation)).toMatchObject({ state: 'completed', result });
    expect(world.settled.map((run) => run.state)).toEqual(['completed']);
    expect(runner.running).toBe(0);
  });

  test('has the chunks joined for its result where the agent returns nothing', async () => {
    const world = new World();
    const runner = world.runner([
      agent(async function* () {
        yield 'hello ';
        await Promise.resolve();
        yield 'world';
      }),
    ]);
    const invocation = await world.start({ session: 's' });
    await world.workOff(runner, invocation);
    expect(await endOf(world, invocation)).toEqual({ kind: 'completed', result: 'hello world' });
    expect(await world.messages(invocation)).toEqual([{ role: 'assistant', content: 'hello world' }]);
  });

  test('of an agent that returns at once is complete', async () => {
    const world = new World();
    const invocation = await world.start();
    await world.workOff(world.runner([quiet(async () => {})]), invocation);
    expect(await endOf(world, invocation)).toEqual({ kind: 'completed', result: '' });
  });

  test('streams 100,000 chunks in order', async () => {
    const world = new World();
    const runner = world.runner([
      agent(async function* () {
        for (let i = 0; i < 100_000; i++) yield `${i} `;
        return 'enough';
      }),
    ]);
    const invocation = await world.start();
    await runner.work(new TestJob(invocation));
    const read = await world.engine.log.read(`run.${invocation}`, { limit: 1, reverse: true });
    expect(read).toMatchObject({ value: { head: { seq: 100_003 } } });
    const texts = (await world.text(invocation)).split(' ');
    expect(texts.findIndex((text, i) => text !== String(i))).toBe(100_000);
  });

  test('is given its state: the checkpoint’s, else the session’s, else null', async () => {
    const world = new World();
    const runner = world.runner([
      quiet(async ({ state, session }) => {
        return { state, session: session?.session ?? null, thread: session?.thread ?? null };
      }),
    ]);
    const results = [];
    for (const run of [{ session: 's', checkpoint: 'c' }, { session: 's', thread: 't' }, {}]) {
      const invocation = await world.start(run);
      results.push((await world.workOff(runner, invocation)).result);
    }
    expect(results).toMatchObject([
      { state: { of: 'c' }, session: 's', thread: 'main' },
      { state: { of: 's' }, session: 's', thread: 't' },
      { state: null, session: null, thread: null },
    ]);
  });

  test('of an agent that is not here goes back to the queue, untouched', async () => {
    const world = new World();
    const invocation = await world.start({ agent: 'other' });
    const verdict = await world.runner([quiet(async () => {})]).work(new TestJob(invocation));
    expect(verdict).toEqual({ againInMs: 200 });
    expect(await world.run(invocation)).toMatchObject({ state: 'queued', attempt: 0, takeovers: 0 });
  });

  test('whose agent is nowhere for long is offered less often', async () => {
    const clock = new ManualClock();
    const world = new World({ clock });
    const runner = world.runner([]);
    const invocation = await world.start();
    const verdicts = [];
    for (const ms of [0, 5000, 60_000]) {
      clock.advance(ms);
      verdicts.push(await runner.work(new TestJob(invocation)));
    }
    expect(verdicts).toEqual([{ againInMs: 200 }, { againInMs: 500 }, { againInMs: 2000 }]);
  });

  test('gives its session the messages that the agent made, and its text if that is none of them', async () => {
    const world = new World();
    const messagesOf = async (...outputs: AgentOutput[]): Promise<unknown> => {
      const invocation = await world.start({ session: 's' });
      const runner = world.runner([
        agent(async function* () {
          yield* outputs;
          return 'the result';
        }),
      ]);
      await world.workOff(runner, invocation);
      return world.messages(invocation);
    };
    const said = (role: string, content: unknown): AgentOutput => ({ kind: 'message', role, content });
    expect(await messagesOf('te', 'xt')).toEqual([{ role: 'assistant', content: 'text' }]);
    expect(await messagesOf('text', said('assistant', { a: 1 }))).toEqual([{ role: 'assistant', content: { a: 1 } }]);
    expect(await messagesOf('text', said('tool', 'x'))).toEqual([
      { role: 'tool', content: 'x' },
      { role: 'assistant', content: 'text' },
    ]);
    expect(await messagesOf()).toEqual([{ role: 'assistant', content: 'the result' }]);
    const many = await messagesOf(...Array.from({ length: 150 }, (_, i) => said('assistant', i)));
    expect(many).toHaveLength(100);
    const large = await messagesOf(...Array.from({ length: 5 }, (_, i) => said('assistant', `${i}`.repeat(20_000))));
    expect(large).toHaveLength(3);
  });

  test('that has ended, or that there is none of, is no work', async () => {
    const world = new World();
    const runner = world.runner([quiet(async () => {})]);
    const invocation = await world.start();
    await world.wish(invocation, { do: 'cancel', reason: 'early', at: 1 });
    expect(await runner.work(new TestJob(invocation))).toBe('done');
    // Whoever ended it may have died before it was settled.
    expect(world.settled).toHaveLength(1);
    expect(await runner.work(new TestJob('nothing'))).toBe('done');
    expect(world.settled).toHaveLength(1);
  });
});

describe('a cancel', () => {
  test('ends a run whose agent heeds its signal', async () => {
    const world = new World();
    const runner = world.runner([
      agent(async function* ({ signal }: AgentContext) {
        yield 'begun';
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      }),
    ]);
    const invocation = await world.start({ session: 's' });
    const work = runner.work(new TestJob(invocation));
    await comesTo(async () => (await world.text(invocation)) === 'begun');
    await world.wish(invocation, { do: 'cancel', reason: 'no more', at: 1 }, runner);
    expect(await work).toBe('done');
    expect(await endOf(world, invocation)).toEqual({ kind: 'cancelled', reason: 'no more' });
    // What was said until then is the session's.
    expect(await world.messages(invocation)).toEqual([{ role: 'assistant', content: 'begun' }]);
  });

  test('cuts off an agent that does not heed it, and nothing it yields later is heard', async () => {
    const clock = new ManualClock();
    const world = new World({ clock });
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    let late = false;
    const runner = world.runner([
      agent(async function* (context: AgentContext) {
        yield 'begun';
        await held;
        late = true;
        context.progress({ percent: 50 });
        context.log.info('late');
        void context.approval({ name: 'late', args: null });
        yield 'late';
      }),
    ]);
    const invocation = await world.start();
    const work = runner.work(new TestJob(invocation));
    await comesTo(async () => (await world.text(invocation)) === 'begun');
    await world.wish(invocation, { do: 'cancel', reason: 'no more', at: 1 }, runner);
    await comesTo(() => clock.pending > 0);
    clock.advance(999);
    await new Promise((resolve) => setImmediate(resolve));
    expect((await world.run(invocation)).state).toBe('running');
    clock.advance(1);
    expect(await work).toBe('done');
    release();
    await comesTo(() => late);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await endOf(world, invocation)).toEqual({ kind: 'cancelled', reason: 'no more' });
    expect(await world.text(invocation)).toBe('begun');
    expect(world.logged).toEqual([]);
  });

  test('stops at the next value an agent that yields without end', async () => {
    const world = new World();
    let ended = false;
    const runner = world.runner([
      agent(async function* () {
        try {
          for (;;) yield 'more ';
        } finally {
          ended = true;
        }
      }),
    ]);
    const invocation = await world.start();
    const work = runner.work(new TestJob(invocation));
    await comesTo(async () => (await world.text(invocation)) !== '');
    await world.wish(invocation, { do: 'cancel', reason: 'enough', at: 1 }, runner);
    expect(await work).toBe('done');
    expect(await endOf(world, invocation)).toEqual({ kind: 'cancelled', reason: 'enough' });
    await comesTo(() => ended);
  });

  test('wins over a result and over an error', async () => {
    for (const last of ['result', 'error'] as const) {
      const world = new World();
      let go = (): void => {};
      const gate = new Promise<void>((resolve) => (go = resolve));
      const runner = world.runner([
        quiet(async () => {
          await gate;
          if (last === 'error') throw Object.assign(new Error('x'), { retryable: true });
          return 'done';
        }),
      ]);
      const invocation = await world.start();
      const work = runner.work(new TestJob(invocation));
      await stateIs(world, invocation, 'running');
      // Without a nudge: the record alone must do.
      await world.wish(invocation, { do: 'cancel', reason: 'first', at: 1 });
      go();
      expect(await work).toBe('done');
      expect(await endOf(world, invocation)).toEqual({ kind: 'cancelled', reason: 'first' });
    }
  });
});

describe('a run out of time', () => {
  test('fails, whether or not its agent ever yields', async () => {
    const clock = new ManualClock();
    const world = new World({ clock });
    const runner = world.runner([agent(forever)]);
    const odd = await world.start({ timeoutMs: 500 });
    await runner.work(new TestJob(odd));
    expect(await endOf(world, odd)).toMatchObject({ kind: 'failed', error: { code: 'bad_output' } });

    const silent = world.runner([
      quiet(async () => {
        await forever();
      }),
    ]);
    const invocation = await world.start({ timeoutMs: 500 });
    const work = silent.work(new TestJob(invocation));
    await stateIs(world, invocation, 'running');
    await comesTo(() => clock.pending > 0);
    clock.advance(500);
    clock.advance(1000);
    expect(await work).toBe('done');
    expect(await endOf(world, invocation)).toEqual({
      kind: 'failed',
      error: { code: 'timeout', message: 'it ran for longer than 500 ms' },
    });
  });

  test('is told so, and may clean up', async () => {
    const clock = new ManualClock();
    const world = new World({ clock });
    let reason: unknown;
    const runner = world.runner([
      agent(async function* ({ signal }: AgentContext) {
        yield 'begun';
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
        reason = signal.reason;
        return 'too late';
      }),
    ]);
    const invocation = await world.start({ timeoutMs: 500 });
    const work = runner.work(new TestJob(invocation));
    await comesTo(async () => (await world.text(invocation)) === 'begun');
    clock.advance(500);
    expect(await work).toBe('done');
    expect(reason).toMatchObject({ name: 'TimeoutError' });
    expect(await endOf(world, invocation)).toMatchObject({ error: { code: 'timeout' } });
  });
});

describe('a job that is lost', () => {
  test('silences the run at once, and writes nothing', async () => {
    const world = new World();
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    let aborted = false;
    const runner = world.runner([
      agent(async function* ({ signal }: AgentContext) {
        yield 'begun';
        signal.addEventListener('abort', () => (aborted = true));
        await gate;
        yield 'late';
        return 'late';
      }),
    ]);
    const invocation = await world.start();
    const job = new TestJob(invocation);
    const work = runner.work(job);
    await comesTo(async () => (await world.text(invocation)) === 'begun');
    job.lose();
    expect(await work).toBe('done');
    expect(aborted).toBe(true);
    go();
    await new Promise((resolve) => setImmediate(resolve));
    expect(await world.text(invocation)).toBe('begun');
    expect(await world.run(invocation)).toMatchObject({ state: 'running', worker: 'worker-1', fence: 1 });
  });

  test('comes back to a worker as a takeover, and what the first one still says is refused', async () => {
    const world = new World();
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    const slow = world.runner([
      agent(async function* () {
        yield 'first';
        await gate;
        yield 'late';
        return 'late';
      }),
    ]);
    const invocation = await world.start();
    const work = slow.work(new TestJob(invocation));
    await comesTo(async () => (await world.text(invocation)) === 'first');
    // The first one does not know: its process stood still.
    const quick = world.runner(
      [
        agent(async function* () {
          yield 'second';
          return 'second';
        }),
      ],
      { worker: 'worker-2' },
    );
    await quick.work(new TestJob(invocation));
    go();
    expect(await work).toBe('done');
    expect(await endOf(world, invocation)).toEqual({ kind: 'completed', result: 'second' });
    expect(await world.text(invocation)).toBe('firstsecond');
    expect(await world.run(invocation)).toMatchObject({ attempt: 2, takeovers: 1 });
    expect(world.settled).toHaveLength(1);
  });

  test('given to the same worker again ends the first execution', async () => {
    const world = new World();
    let began = 0;
    const signals: AbortSignal[] = [];
    const runner = world.runner([
      quiet(async ({ signal }) => {
        signals.push(signal);
        began += 1;
        if (began === 1) await forever();
        return began;
      }),
    ]);
    const invocation = await world.start();
    const first = runner.work(new TestJob(invocation));
    await comesTo(() => began === 1);
    expect(await runner.work(new TestJob(invocation))).toBe('done');
    expect(await first).toBe('done');
    expect(signals[0]?.aborted).toBe(true);
    expect(await endOf(world, invocation)).toEqual({ kind: 'completed', result: 2 });
  });
});

test('a worker that stops hands its runs back, which is no takeover', async () => {
  const world = new World();
  const stuck = agent(async function* () {
    yield 'begun';
    await forever();
  });
  const runner = world.runner([stuck]);
  const invocation = await world.start();
  const work = runner.work(new TestJob(invocation));
  await comesTo(async () => (await world.text(invocation)) === 'begun');
  await runner.handBack();
  expect(await work).toEqual({ againInMs: 0 });
  expect(await world.run(invocation)).toMatchObject({ state: 'queued', takeovers: 0, attempt: 1 });
  // It takes nothing more.
  expect(await runner.work(new TestJob(invocation))).toEqual({ againInMs: 0 });
  const next = world.runner([quiet(async () => {})], { worker: 'worker-2' });
  expect(await world.workOff(next, invocation)).toMatchObject({ state: 'completed', takeovers: 0, attempt: 2 });
});
