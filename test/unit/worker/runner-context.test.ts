import { expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { fail, ok } from '../../../shared/base/errors.ts';
import type { Run } from '../../../shared/domain/runs/run.ts';
import type { AgentContext } from '../../../services/worker/agent.ts';
import { comesTo, endOf, lastAttempt, quiet, TestJob, World } from './runner-harness.ts';

test('progress is said at once, then the last word of each moment, and it comes into the record', async () => {
  const clock = new ManualClock();
  const world = new World({ clock });
  let go = (): void => {};
  let more = (): void => {};
  const gate = new Promise<void>((resolve) => (go = resolve));
  const between = new Promise<void>((resolve) => (more = resolve));
  let said = 0;
  const runner = world.runner([
    quiet(async ({ progress }) => {
      for (let percent = 0; percent < 50; percent++) progress({ percent });
      said = 50;
      await between;
      progress({ percent: 60 });
      said = 60;
      await gate;
      progress({ percent: 90, step: 'nearly' });
      progress({ percent: 99, etaMs: 5, note: 'now' });
      return null;
    }),
  ]);
  const invocation = await world.start();
  const work = runner.work(new TestJob(invocation));
  await comesTo(() => said === 50);
  await comesTo(async () => (await world.events(invocation)).length === 3);
  clock.advance(50);
  await comesTo(async () => (await world.events(invocation)).length === 4);
  more();
  await comesTo(() => said === 60);
  clock.advance(50);
  await comesTo(async () => (await world.events(invocation)).length === 5);
  // Its turn in the record comes a second after the claim.
  expect(await world.run(invocation)).not.toHaveProperty('progress');
  clock.advance(910);
  await comesTo(async () => (await world.run(invocation)).progress?.percent === 60);
  go();
  await work;
  expect(lastAttempt(await world.events(invocation))).toEqual([
    { kind: 'progress', percent: 0 },
    { kind: 'progress', percent: 49 },
    { kind: 'progress', percent: 60 },
    { kind: 'progress', percent: 90, step: 'nearly' },
    { kind: 'progress', percent: 99, etaMs: 5, note: 'now' },
    { kind: 'completed', result: null },
  ]);
  expect(await world.run(invocation)).toMatchObject({ progress: { percent: 99, etaMs: 5, note: 'now' } });
  // A run that ended leaves no timer behind.
  expect(clock.pending).toBe(0);
});

test('progress and usage that are none fail the run', async () => {
  const world = new World();
  const run = async (use: (context: AgentContext) => unknown, part: Partial<Run> = {}): Promise<unknown> => {
    const invocation = await world.start(part);
    const runner = world.runner([
      quiet(async (context) => {
        await use(context);
      }),
    ]);
    return (await world.workOff(runner, invocation)).error;
  };
  expect(await run(({ progress }) => progress({ percent: 101 }))).toMatchObject({ code: 'bad_output' });
  expect(await run(({ progress }) => progress('half' as never))).toMatchObject({ code: 'bad_output' });
  expect(await run(({ usage }) => usage({ n: 1n }))).toMatchObject({ code: 'bad_output' });
  expect(await run(({ usage }) => usage(7 as never))).toMatchObject({ code: 'bad_output' });
  expect(await run(({ approval }) => approval({ name: '', args: 1 }))).toMatchObject({ code: 'bad_output' });
  expect(await run(({ approval }) => approval({ name: 'n', args: 1n }))).toMatchObject({ code: 'bad_output' });
  expect(await run(({ progress }) => progress({ note: 'x'.repeat(9000) }))).toMatchObject({ code: 'bad_output' });
  expect(await run(({ checkpoint }) => checkpoint())).toMatchObject({ code: 'no_session' });
  const inSession = { session: 's' };
  expect(await run(({ checkpoint }) => checkpoint({ label: 7 as never }), inSession)).toMatchObject({
    code: 'bad_output',
  });
  expect(await run(({ checkpoint }) => checkpoint({ state: 1n }), inSession)).toMatchObject({ code: 'bad_output' });
});

test('usage is the last word of it, as it was when it was said', async () => {
  const world = new World();
  const runner = world.runner([
    quiet(async ({ usage }) => {
      const tokens = { in: 1, out: 2 };
      usage({ tokens: 0 });
      usage({ tokens });
      tokens.out = 3;
      throw new Error('all the same');
    }),
  ]);
  const invocation = await world.start();
  expect(await world.workOff(runner, invocation)).toMatchObject({
    state: 'failed',
    usage: { tokens: { in: 1, out: 2 } },
  });
});

test('a checkpoint is one of the run’s events, and the session’s messages are the agent’s to read', async () => {
  const world = new World();
  const asked: unknown[] = [];
  const message = { message: 'm', thread: 'main', role: 'user', content: 'hi', at: 1 };
  const runner = world.runner(
    [
      quiet(async ({ checkpoint, session }) => {
        const read = await session?.messages(7);
        await session?.messages();
        return { checkpoint: await checkpoint({ label: 'here', state: { x: 1 } }), read };
      }),
    ],
    {
      sessions: {
        lastMessages: (session, thread, limit) => {
          asked.push({ session, thread, limit });
          return Promise.resolve(ok([message]));
        },
        stateOf: () => Promise.resolve(ok(null)),
      },
    },
  );
  const invocation = await world.start({ session: 's', thread: 't' });
  await world.workOff(runner, invocation);
  expect(lastAttempt(await world.events(invocation))).toEqual([
    { kind: 'checkpoint', checkpoint: 'c1' },
    { kind: 'completed', result: { checkpoint: 'c1', read: [message] } },
  ]);
  expect(asked).toEqual([
    { session: 's', thread: 't', limit: 7 },
    { session: 's', thread: 't', limit: 100 },
  ]);
});

test('a store that is away when the agent asks for something is an error that begins the run again', async () => {
  const world = new World();
  let away = true;
  const runner = world.runner(
    [
      quiet(async ({ session }) => {
        return await session?.messages();
      }),
    ],
    {
      sessions: {
        lastMessages: () => Promise.resolve(away ? fail('unavailable') : ok([])),
        stateOf: () => Promise.resolve(ok(null)),
      },
    },
  );
  const invocation = await world.start({ session: 's' });
  expect(await runner.work(new TestJob(invocation))).toEqual({ againInMs: 200 });
  away = false;
  expect(await world.workOff(runner, invocation)).toMatchObject({ state: 'completed', result: [], retries: 1 });
});

test('a checkpoint that is gone fails the run', async () => {
  const world = new World();
  const runner = world.runner([quiet(async () => {})], {
    checkpoints: {
      create: () => Promise.resolve(fail('not_found')),
      get: () => Promise.resolve(fail('not_found', 'there is no such checkpoint')),
    },
  });
  const invocation = await world.start({ session: 's', checkpoint: 'c' });
  await world.workOff(runner, invocation);
  expect(await endOf(world, invocation)).toMatchObject({
    error: { code: 'not_found', message: 'there is no such checkpoint' },
  });
});

test('lines carry the run’s id, cannot pass for ours, and are bounded', async () => {
  const world = new World();
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  const runner = world.runner([
    quiet(async ({ log }) => {
      log.info('hello', { invocation: 'mine', n: 1 });
      log.warn('x'.repeat(5000), circular);
      log.error('large', { text: 'x'.repeat(5000) });
      for (let i = 0; i < 2000; i++) log.debug('again');
    }),
  ]);
  const invocation = await world.start();
  await world.workOff(runner, invocation);
  expect(world.logged[0]).toEqual({
    level: 'info',
    message: 'hello',
    fields: { invocation, agent: 'test', fields: { invocation: 'mine', n: 1 } },
  });
  expect(world.logged[1]?.message).toHaveLength(2000);
  expect(world.logged[1]?.fields).toMatchObject({ fields: 'not plain data' });
  expect(world.logged[2]?.fields).toMatchObject({ fields: 'too large' });
  expect(world.logged).toHaveLength(1001);
  expect(world.logged.at(-1)?.message).toContain('too much');
});

test('calls that are not awaited have a bound', async () => {
  const world = new World();
  const runner = world.runner([
    quiet(async ({ approval }) => {
      const calls = Array.from({ length: 100 }, (_, i) => approval({ name: 'n', args: i }));
      await Promise.all(calls);
    }),
  ]);
  const invocation = await world.start();
  expect(await world.workOff(runner, invocation)).toMatchObject({
    state: 'failed',
    error: { code: 'agent_error', message: 'over 64 calls of the context at once' },
  });
});

test('the signal is aborted when the run has ended, so that what was left under way can stop', async () => {
  const world = new World();
  let signal: AbortSignal | undefined;
  const runner = world.runner([
    quiet(async (context) => {
      signal = context.signal;
    }),
  ]);
  const invocation = await world.start();
  await world.workOff(runner, invocation);
  expect(signal?.aborted).toBe(true);
});
