import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { builtInAgents } from '../../../services/worker/agents/list.ts';
import type { RunEvent } from '../../../shared/protocol/run-events.ts';
import type { Runner } from '../../../services/worker/runner.ts';
import { configOf } from '../../support/in-process.ts';
import { comesTo, endOf, lastAttempt, stateIs, TestJob, World } from './runner-harness.ts';

const ofEveryBuild = builtInAgents(configOf({}));

async function run(agent: string, input: unknown): Promise<{ events: RunEvent[]; end: RunEvent }> {
  const world = new World();
  const invocation = await world.start({ agent }, input);
  await world.workOff(world.runner(ofEveryBuild), invocation);
  return { events: lastAttempt(await world.events(invocation)), end: await endOf(world, invocation) };
}

const chunksOf = (events: readonly RunEvent[]): string[] =>
  events.flatMap((event) => (event.kind === 'chunk' ? [event.text] : []));

/** One that is at work; what it does is looked at from outside. */
async function begin(
  agent: string,
  input: unknown,
): Promise<{ world: World; runner: Runner; invocation: string; ended: Promise<unknown> }> {
  const world = new World();
  const runner = world.runner(ofEveryBuild);
  const invocation = await world.start({ agent }, input);
  return { world, runner, invocation, ended: runner.work(new TestJob(invocation)) };
}

describe('echo', () => {
  test('says its input word by word, and completes with all of it', async () => {
    const { events, end } = await run('echo', '  so  it\ngoes ');
    expect(chunksOf(events)).toEqual(['  ', 'so  ', 'it\n', 'goes ']);
    expect(end).toEqual({ kind: 'completed', result: '  so  it\ngoes ' });
  });

  test('loses nothing of any text', async () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom('a', ' ', '\n', '😀') }));
    await fc.assert(
      fc.asyncProperty(text, async (said) => {
        expect((await run('echo', said)).end).toEqual({ kind: 'completed', result: said });
      }),
    );
  });

  test('cuts a very long word into chunks, and no character', async () => {
    const { events } = await run('echo', '😀'.repeat(5000));
    expect(chunksOf(events).map((chunk) => chunk.length)).toEqual([8192, 1808]);
  });

  test('pauses before each next word', async () => {
    const { events, end } = await run('echo', { text: 'one two', delayMs: 1 });
    expect(chunksOf(events)).toEqual(['one ', 'two']);
    expect(end.kind).toBe('completed');
  });
});

describe('countdown', () => {
  test('has progress and a chunk for each number', async () => {
    const { events, end } = await run('countdown', { from: 3, intervalMs: 60 });
    expect(chunksOf(events)).toEqual(['3 ', '2 ', '1 ']);
    const said = events.filter(({ kind }) => kind === 'progress');
    expect(said.at(-1)).toEqual({ kind: 'progress', percent: 100, step: '1', etaMs: 0 });
    expect(end).toEqual({ kind: 'completed', result: '3 2 1 ' });
  });

  test('from nothing is over at once', async () => {
    expect((await run('countdown', { from: 0 })).end).toEqual({ kind: 'completed', result: '' });
  });

  test('holds still while it is paused, and goes on where it was', async () => {
    const { world, runner, invocation, ended } = await begin('countdown', { from: 3, intervalMs: 20 });
    await comesTo(async () => (await world.text(invocation)) !== '');
    await world.wish(invocation, { do: 'pause' }, runner);
    await stateIs(world, invocation, 'paused');
    await world.wish(invocation, { do: 'resume' }, runner);
    expect(await ended).toBe('done');
    expect(await endOf(world, invocation)).toEqual({ kind: 'completed', result: '3 2 1 ' });
  });

  test('ends in the middle of an interval when it is cancelled', async () => {
    const { world, runner, invocation, ended } = await begin('countdown', { from: 2, intervalMs: 3_600_000 });
    await comesTo(async () => (await world.text(invocation)) === '2 ');
    await world.wish(invocation, { do: 'cancel', reason: 'enough', at: Date.now() }, runner);
    expect(await ended).toBe('done');
    expect(await endOf(world, invocation)).toEqual({ kind: 'cancelled', reason: 'enough' });
  });
});

describe('approval', () => {
  test.each([
    [
      { name: 'deploy', args: { to: 'prod' } },
      { name: 'deploy', args: { to: 'prod' } },
    ],
    [null, { name: 'action', args: null }],
    ['please', { name: 'action', args: 'please' }],
    [{}, { name: 'action', args: null }],
  ])('asks for the call that %j names', async (input, call) => {
    const { world, runner, invocation, ended } = await begin('approval', input);
    await stateIs(world, invocation, 'waiting_approval');
    const [pending] = (await world.run(invocation)).pending;
    expect(pending).toMatchObject(call);
    await world.wish(invocation, { do: 'decide', call: pending!.call, decision: { decision: 'approve' } }, runner);
    await ended;
    expect(await endOf(world, invocation)).toEqual({
      kind: 'completed',
      result: { decision: 'approve', args: call.args },
    });
  });

  test('completes with a rejection, its note and the arguments as they were edited', async () => {
    const { world, runner, invocation, ended } = await begin('approval', { name: 'deploy', args: { to: 'prod' } });
    await stateIs(world, invocation, 'waiting_approval');
    const [pending] = (await world.run(invocation)).pending;
    const decision = { decision: 'reject', note: 'not on Friday', input: { to: 'test' } } as const;
    await world.wish(invocation, { do: 'decide', call: pending!.call, decision }, runner);
    await ended;
    const result = { decision: 'reject', note: 'not on Friday', args: { to: 'test' } };
    expect(await endOf(world, invocation)).toEqual({ kind: 'completed', result });
  });
});

describe('fail', () => {
  test.each([
    [null, 'failed, as it was asked to'],
    [{}, 'failed, as it was asked to'],
    [{ message: 'oh no' }, 'oh no'],
  ])('fails with %j', async (input, message) => {
    expect((await run('fail', input)).end).toEqual({ kind: 'failed', error: { code: 'failed_as_asked', message } });
  });

  test('says something before, if it is to', async () => {
    const { events, end } = await run('fail', { after: 2 });
    expect([chunksOf(events), end.kind]).toEqual([['1 ', '2 '], 'failed']);
  });

  test('fails its first attempts, and completes', async () => {
    const { end } = await run('fail', { times: 2 });
    expect(end).toEqual({ kind: 'completed', result: { attempt: 3 } });
  });
});

test('claude without a key fails, and says what is missing', async () => {
  const error = { code: 'no_api_key', message: expect.stringContaining('ANTHROPIC_API_KEY') as string };
  expect((await run('claude', 'hello')).end).toEqual({ kind: 'failed', error });
});

describe('input that an agent cannot read', () => {
  test.each([
    ['echo', null, 'the input has none of the forms that it may have'],
    ['echo', 7, 'the input has none of the forms that it may have'],
    ['echo', {}, 'text is missing'],
    ['echo', { text: 'a', delayMs: -1 }, expect.stringMatching(/^delayMs is refused: /)],
    ['countdown', 'three', 'the input must be a map'],
    ['countdown', { from: '3' }, 'from must be a number'],
    ['approval', { name: 1 }, 'name must be a string'],
    ['fail', { after: 'all' }, 'after must be a number'],
  ])('%s %j', async (agent, input, message) => {
    const { events, end } = await run(agent, input);
    expect(chunksOf(events)).toEqual([]);
    expect(end).toEqual({ kind: 'failed', error: { code: 'bad_input', message } });
  });
});
