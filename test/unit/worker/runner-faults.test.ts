import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AgentContext } from '../../../services/worker/agent.ts';
import { agent, comesTo, endOf, maxFrameBytes, quiet, TestJob, World } from './runner-harness.ts';

const strays: unknown[] = [];
const stray = (reason: unknown): void => void strays.push(reason);
beforeEach(() => {
  strays.length = 0;
  process.on('unhandledRejection', stray);
});
afterEach(() => void process.off('unhandledRejection', stray));

async function endWith(run: (context: AgentContext) => unknown): Promise<{ code: string; message: string }> {
  const world = new World();
  const runner = world.runner([agent(run)]);
  const invocation = await world.start();
  expect(await runner.work(new TestJob(invocation))).toBe('done');
  const end = await endOf(world, invocation);
  if (end.kind !== 'failed') throw new Error(`the run ended ${end.kind}`);
  // The worker lives on, and takes others.
  const next = await world.start({ agent: 'good' });
  const good = world.runner([quiet(async () => {}, 'good')]);
  expect(await world.workOff(good, next)).toMatchObject({ state: 'completed' });
  // Rejections that nobody catches are reported after the turn that made them.
  await new Promise((resolve) => setImmediate(resolve));
  expect(strays).toEqual([]);
  return end.error;
}

describe('an agent that throws', () => {
  const throwing = (thrown: unknown) =>
    async function* () {
      yield* [];
      throw thrown;
    };
  const getter = Object.defineProperty({}, 'message', {
    get() {
      throw new Error('not to be looked at');
    },
  });
  const trap = (): never => {
    throw new Error('a trap');
  };
  const proxy = new Proxy({}, { get: trap, has: trap, getPrototypeOf: trap, ownKeys: trap });

  test.each<[string, unknown, { code: string; message: string }]>([
    ['an error', new Error('it broke'), { code: 'agent_error', message: 'it broke' }],
    ['an error with a code', Object.assign(new Error('no'), { code: 'no_key' }), { code: 'no_key', message: 'no' }],
    [
      'an error with an odd code',
      Object.assign(new Error('no'), { code: 'a b\n' }),
      { code: 'agent_error', message: 'no' },
    ],
    ['a code that is no text', Object.assign(new Error('no'), { code: 7 }), { code: 'agent_error', message: 'no' }],
    ['a string', 'just words', { code: 'agent_error', message: 'just words' }],
    ['undefined', undefined, { code: 'agent_error', message: 'the agent threw undefined' }],
    ['null', null, { code: 'agent_error', message: 'the agent threw null' }],
    ['a number', 42, { code: 'agent_error', message: 'the agent threw a number: 42' }],
    ['a symbol', Symbol('s'), { code: 'agent_error', message: 'the agent threw a symbol: Symbol(s)' }],
    ['a function', () => {}, { code: 'agent_error', message: 'the agent threw a function' }],
    ['a frozen object', Object.freeze({}), { code: 'agent_error', message: 'the agent threw an object' }],
    ['a getter that throws', getter, { code: 'agent_error', message: 'the agent threw an object' }],
    ['a proxy that throws', proxy, { code: 'agent_error', message: 'the agent threw an object' }],
    ['a long message', new Error('x'.repeat(10_000)), { code: 'agent_error', message: 'x'.repeat(2000) }],
  ])('%s fails its run', async (_, thrown, error) => {
    expect(await endWith(throwing(thrown))).toEqual(error);
  });

  test('before it gives back a generator fails its run', async () => {
    const error = await endWith(() => {
      throw new Error('at once');
    });
    expect(error).toEqual({ code: 'agent_error', message: 'at once' });
  });
});

describe('output that is none', () => {
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  const trapped = {
    get kind(): string {
      throw new Error('not to be looked at');
    },
  };
  let reads = 0;
  const turncoat = {
    get value(): unknown {
      reads += 1;
      return reads % 2 === 1 ? 1 : 1n;
    },
  };

  test.each<[string, unknown, string]>([
    ['a number', 7, 'a number: 7'],
    ['null', null, 'null'],
    ['undefined', undefined, 'undefined'],
    ['a BigInt', 7n, 'a bigint: 7'],
    ['a function', () => {}, 'a function'],
    ['an object without a kind', { text: 'x' }, 'an object without a kind'],
    ['an unknown kind', { kind: 'surprise' }, 'an event of kind surprise'],
    ['an end of its own', { kind: 'completed', result: 1 }, 'an event of kind completed'],
    [
      'a chunk without text',
      { kind: 'chunk' },
      'a chunk whose text is wrong: Invalid input: expected string, received undefined',
    ],
    [
      'circular data',
      { kind: 'message', role: 'a', content: circular },
      'a message that is refused: data is refused: nested too deep',
    ],
    [
      'a BigInt inside',
      { kind: 'message', role: 'a', content: [1n] },
      'a message that is refused: data is refused: a value of type bigint is not carried',
    ],
    [
      'a function inside',
      { kind: 'tool_result', call: 'c', result: { f() {} } },
      'a tool_result that is refused: data is refused: a value of type function is not carried',
    ],
    [
      'a date inside',
      { kind: 'message', role: 'a', content: new Date(0) },
      'a message that is refused: data is refused: only plain maps and arrays are carried',
    ],
    ['a getter that throws', trapped, 'an object that cannot be read'],
    ['a value that changes', { kind: 'message', role: 'a', content: turncoat }, 'a message that cannot be read'],
    ['a chunk over the limit', 'x'.repeat(maxFrameBytes), `a chunk that is refused: over ${maxFrameBytes} bytes`],
    [
      'a chunk over the limit in UTF-8',
      '\u4e16'.repeat(maxFrameBytes / 3),
      `a chunk that is refused: over ${maxFrameBytes} bytes`,
    ],
  ])('%s fails its run', async (_, value, what) => {
    let ended = false;
    const error = await endWith(async function* () {
      try {
        yield 'fine';
        yield value;
      } finally {
        ended = true;
      }
    });
    expect(error).toEqual({ code: 'bad_output', message: `the agent yielded ${what}` });
    expect(ended).toBe(true);
  });

  test.each<[string, () => unknown, string]>([
    ['nothing', () => undefined, 'undefined'],
    ['a number', () => 7, 'a number: 7'],
    ['a promise that fails', () => Promise.reject(new Error('x')), 'an object'],
  ])('%s in place of a generator fails its run', async (_, run, what) => {
    const error = await endWith(run);
    expect(error).toEqual({
      code: 'bad_output',
      message: `the agent's run gave back ${what} in place of a generator`,
    });
  });

  test.each<[string, unknown, string]>([
    ['a function', () => {}, 'a value of type function is not carried'],
    ['a BigInt', { n: 1n }, 'a value of type bigint is not carried'],
    ['circular data', circular, 'nested too deep'],
    ['over the limit', 'x'.repeat(maxFrameBytes), `over ${maxFrameBytes} bytes`],
  ])('a result that is %s fails its run', async (_, value, what) => {
    const error = await endWith(async function* () {
      yield* [];
      return value;
    });
    expect(error).toEqual({ code: 'bad_output', message: `the result is refused: ${what}` });
  });

  test('chunks that are too many to be joined leave the beginning of them as the result', async () => {
    const world = new World();
    const runner = world.runner([
      agent(async function* () {
        for (let i = 0; i < 20; i++) yield '\u0007'.repeat(1000);
      }),
    ]);
    const invocation = await world.start();
    const { result } = await world.workOff(runner, invocation);
    expect('\u0007'.repeat(20_000).startsWith(result as string)).toBe(true);
    expect((result as string).length).toBeGreaterThan(5000);
    expect(Buffer.byteLength(JSON.stringify(result))).toBeLessThanOrEqual(maxFrameBytes);
    expect(await world.text(invocation)).toHaveLength(20_000);
  });
});

test('an iterator of another make than the language’s works, or fails its run', async () => {
  const world = new World();
  const runner = world.runner([
    agent(function* () {
      yield 'a sync ';
      yield 'generator';
    }),
  ]);
  const invocation = await world.start();
  expect(await world.workOff(runner, invocation)).toMatchObject({ result: 'a sync generator' });
  const odd = await endWith(() => ({ next: () => 7 }));
  expect(odd).toEqual({ code: 'bad_output', message: 'the agent yielded undefined' });
  const none = await endWith(() => ({ next: () => Promise.resolve(null) }));
  expect(none.code).toBe('agent_error');
  const throwing = await endWith(() => ({
    next() {
      throw new Error('no next');
    },
  }));
  expect(throwing).toEqual({ code: 'agent_error', message: 'no next' });
});

test('an error that asks for it begins the run again, later each time, and five times at most', async () => {
  const world = new World();
  const runner = world.runner([
    agent(async function* ({ attempt }: AgentContext) {
      yield `attempt ${attempt}`;
      throw Object.assign(new Error('busy'), { code: 'overloaded', retryable: true });
    }),
  ]);
  const invocation = await world.start({ session: 's' });
  const verdicts = [];
  for (let i = 0; i < 6; i++) verdicts.push(await runner.work(new TestJob(invocation)));
  expect(verdicts).toEqual([...[200, 400, 800, 1600, 3200].map((againInMs) => ({ againInMs })), 'done']);
  const run = await world.run(invocation);
  expect(run).toMatchObject({ state: 'failed', attempt: 6, retries: 5, takeovers: 0 });
  expect(run.error).toEqual({ code: 'overloaded', message: 'busy' });
  await endOf(world, invocation);
  expect(world.settled).toHaveLength(1);
  expect(await world.messages(invocation)).toEqual([{ role: 'assistant', content: 'attempt 6' }]);
});

test('what a cut-off agent leaves behind reaches nobody, and harms nobody', async () => {
  const world = new World();
  let go = (): void => {};
  const gate = new Promise<void>((resolve) => (go = resolve));
  let left = 0;
  const runner = world.runner([
    agent(async function* (context: AgentContext) {
      // None of these is ever awaited.
      void context.approval({ name: 'a', args: 1 });
      void context.checkpoint();
      try {
        yield 'begun';
        await gate;
        throw new Error('late');
      } finally {
        left += 1;
        await Promise.reject(new Error('later still'));
      }
    }),
  ]);
  const invocation = await world.start();
  const job = new TestJob(invocation);
  const work = runner.work(job);
  await comesTo(async () => (await world.text(invocation)) === 'begun');
  job.lose();
  await work;
  go();
  await comesTo(() => left === 1);
  await new Promise((resolve) => setImmediate(resolve));
  expect(strays).toEqual([]);
});
