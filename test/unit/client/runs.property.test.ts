import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AgentRun, AgentRunEvent } from '../../../shared/client/index.ts';
import type { FakeRun } from './fake-runs.ts';
import { codeOf, harness, microtasks } from './harness.ts';
import type { Harness } from './harness.ts';

type Step =
  | { do: 'run' | 'attach' | 'loop' | 'loopSlowly' | 'control' | 'say' | 'begin' | 'end'; which: number }
  | { do: 'toServer' | 'toClient' | 'send' | 'workOff'; count: number }
  | { do: 'cut'; late: boolean }
  | { do: 'away'; on: boolean }
  | { do: 'goaway' | 'pass'; ms: number }
  | { do: 'settle' | 'comeBack' }
  | { do: 'subscribe' | 'unsubscribe'; name: number }
  | { do: 'drop'; which: number }
  | { do: 'refuse'; code: string | undefined }
  | { do: 'trim'; which: number; keep: number };

const small = fc.nat({ max: 5 });
const everyday: fc.WeightedArbitrary<Step>[] = [
  { weight: 4, arbitrary: fc.record({ do: fc.constant('run'), which: small }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('attach', 'loop', 'loopSlowly', 'control'), which: small }) },
  { weight: 9, arbitrary: fc.record({ do: fc.constantFrom('say', 'say', 'say', 'begin', 'end'), which: small }) },
  { weight: 7, arbitrary: fc.record({ do: fc.constantFrom('toServer', 'toClient', 'send'), count: small }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('cut'), late: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('workOff'), count: small }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('away'), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('goaway'), ms: fc.nat({ max: 500 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(1, 50, 200, 6000) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('settle', 'comeBack') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('subscribe', 'unsubscribe'), name: small }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('drop'), which: small }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('refuse'),
      code: fc.constantFrom('unavailable', 'rate_limited', undefined),
    }),
  },
];
const trims: fc.WeightedArbitrary<Step> = {
  weight: 3,
  arbitrary: fc.record({ do: fc.constant('trim'), which: small, keep: fc.nat({ max: 3 }) }),
};

interface Loop {
  readonly run: AgentRun;
  readonly told: AgentRunEvent[];
  over: boolean;
}

interface World {
  readonly made: Harness;
  /** Those that were started, and those that were attached to. */
  readonly started: AgentRun[];
  readonly held: AgentRun[];
  readonly loops: Loop[];
  /** What the handler of each subscription saw. */
  readonly seen: Map<string, number[]>[];
}

async function follow(world: World, run: AgentRun | undefined, slowly: boolean): Promise<void> {
  if (!run) return;
  const loop: Loop = { run, told: [], over: false };
  world.loops.push(loop);
  for await (const event of run) {
    loop.told.push(event);
    for (let i = 0; slowly && i < 40; i += 1) await Promise.resolve();
  }
  loop.over = true;
}

function subscribe({ made, seen }: World, name: string): void {
  const topics = new Map<string, number[]>();
  seen.push(topics);
  const note = ({ topic, seq }: { topic: string; seq: number }): void => {
    if (!topics.has(topic)) topics.set(topic, []);
    topics.get(topic)!.push(seq);
  };
  made.client.subscribe(name, note).catch(() => {});
}

/** What a run and its agent may do at any time. */
function live(run: FakeRun | undefined, step: Step & { which: number }): void {
  if (!run || run.over) return;
  if (step.do === 'say') run.tell({ kind: 'chunk', text: `${step.which}` });
  else if (step.do === 'begin') run.tell({ kind: 'started', attempt: step.which + 1 });
  else if (step.which === 0) run.tell({ kind: 'failed', error: { code: 'agent', message: 'a fault' } });
  else run.tell({ kind: 'completed', result: run.invocation });
}

async function act(world: World, step: Step): Promise<void> {
  const { made, started, held, loops } = world;
  const { server, client, clock, log } = made;
  const { socket, runs } = server;
  const runOf = ({ which }: { which: number }): FakeRun | undefined => runs.all[which];
  switch (step.do) {
    case 'run': {
      const run = client.run('echo', started.length);
      started.push(run);
      held.push(run);
      if (step.which % 2 === 0) void follow(world, run, false);
      break;
    }
    case 'attach': {
      const run = runOf(step);
      if (run) held.push(client.attach(run.invocation));
      break;
    }
    case 'loop':
    case 'loopSlowly':
      void follow(world, held[step.which], step.do === 'loopSlowly' && loops.length < 9);
      break;
    case 'control':
      void codeOf(held[step.which]?.status() ?? Promise.resolve());
      break;
    case 'say':
    case 'begin':
    case 'end':
      live(runOf(step), step);
      break;
    case 'toServer':
      if (socket?.state === 'connecting') socket.open();
      else socket?.toServer(step.count);
      break;
    case 'send':
      for (let i = 0; i < step.count; i += 1) socket?.sendNext(step.count + i);
      break;
    case 'toClient':
      socket?.toClient(step.count);
      break;
    case 'workOff':
      server.workOffLate(step.count);
      break;
    case 'cut':
      socket?.cut(1006, '', step.late);
      break;
    case 'away':
      server.away = step.on;
      break;
    case 'goaway':
      socket?.push({ type: 'goaway', reason: 'draining', reconnectAfterMs: step.ms });
      break;
    case 'pass':
      clock.advance(step.ms);
      break;
    case 'settle':
      await made.quiet();
      break;
    case 'comeBack':
      clock.advance(300);
      for (let i = 0; i < 4; i += 1) {
        await microtasks();
        server.socket?.open();
        server.socket?.toServer();
        server.socket?.toClient();
      }
      break;
    case 'subscribe':
      subscribe(world, step.name === 0 ? 'run.#' : `run.r${step.name}`);
      break;
    case 'unsubscribe':
      client.unsubscribe(step.name === 0 ? 'run.#' : `run.r${step.name}`);
      break;
    case 'drop':
      socket?.dropOldest(step.which);
      break;
    case 'refuse':
      server.mood.refuse = step.code;
      break;
    case 'trim': {
      const run = runOf(step);
      if (run) log.trim(run.topic, step.keep);
    }
  }
  await microtasks();
}

async function play(steps: readonly Step[], coins: readonly boolean[]): Promise<World> {
  let coin = 0;
  const made = harness({ random: () => 0.7 });
  made.server.mood.doneAnyway = () => coins[(coin += 1) % coins.length]!;
  const world: World = { made, started: [], held: [], loops: [], seen: [] };
  // One that somebody else has started.
  made.server.runs.start({ agent: 'echo', key: 'of somebody else' });
  void made.client.connect();
  for (const step of steps) await act(world, step);
  made.server.away = false;
  made.server.mood.refuse = undefined;
  await made.quiet();
  await made.pass(12_000);
  // Requests of old connections that arrive only now begin no second run.
  made.server.workOffLate(1000);
  for (const run of made.server.runs.all) if (!run.over) run.tell({ kind: 'completed', result: run.invocation });
  for (const run of world.held) void follow(world, run, false);
  for (let i = 0; i < 20; i += 1) await made.quiet();
  return world;
}

/** The numbers that a loop was told of, those of gaps among them; a number twice or out of order shows. */
function numbersOf(told: readonly AgentRunEvent[]): number[] {
  return told.flatMap((event) => {
    if (event.kind !== 'gap') return [event.seq];
    const length = event.to! - event.from! + 1;
    expect(length).toBeGreaterThan(0);
    return Array.from({ length }, (_, i) => event.from! + i);
  });
}

/** What is not there by now will never be: everything has arrived. */
function byNow<T>(promise: Promise<T>): Promise<T | 'pending'> {
  return Promise.race([promise, microtasks().then(() => 'pending' as const)]);
}

async function expectAllTold({ made, started, held, loops, seen }: World): Promise<void> {
  const { runs } = made.server;
  // Each was started once: by its key, and by its input, which is its number.
  const inputs = runs.all.slice(1).map(({ asked }) => asked['input'] as number);
  expect(inputs.sort((a, b) => a - b)).toEqual(started.map((_, i) => i));
  for (const run of held) {
    const real = runs.get(await byNow(run.invocation))!;
    if (real.state === 'failed') expect(await byNow(codeOf(run.result()))).toBe('agent');
    else expect(await byNow(run.result())).toBe(real.invocation);
  }
  for (const { run, told, over } of loops) {
    const real = runs.get(await byNow(run.invocation))!;
    const all = made.log.all.filter(({ topic }) => topic === real.topic);
    expect([over, told.at(-1)?.kind]).toEqual([true, real.state]);
    expect(numbersOf(told)).toEqual(all.map(({ seq }) => seq));
    for (const event of told) {
      if (event.kind !== 'gap') expect(event).toMatchObject(all[event.seq - 1]!.data as object);
    }
  }
  for (const topics of seen) {
    for (const seqs of topics.values()) expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
  }
}

async function expectNothingLeft({ made }: World): Promise<void> {
  await made.client.close();
  expect(made.clock.pending).toBe(0);
}

test('whatever is cut, refused and delayed: a run starts once, each loop has each event once and in order, and the result is right', async () => {
  const steps = fc.array(fc.oneof(...everyday), { maxLength: 80, size: 'max' });
  await fc.assert(
    fc.asyncProperty(steps, fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }), async (taken, coins) => {
      const world = await play(taken, coins);
      await expectAllTold(world);
      expect(world.loops.flatMap(({ told }) => told.filter(({ kind }) => kind === 'gap'))).toEqual([]);
      await expectNothingLeft(world);
    }),
    { numRuns: 300 },
  );
}, 60_000);

test('what is kept no longer is a gap in the loop, and the result is right all the same', async () => {
  const steps = fc.array(fc.oneof(...everyday, trims), { maxLength: 80, size: 'max' });
  await fc.assert(
    fc.asyncProperty(steps, async (taken) => {
      const world = await play(taken, [false]);
      await expectAllTold(world);
      await expectNothingLeft(world);
    }),
    { numRuns: 300 },
  );
}, 60_000);
