import fc from 'fast-check';
import { isPattern } from '../../../shared/topics/grammar.ts';
import { expectRun } from '../../../services/gateway/hub/expecting.ts';
import { stopExpecting } from '../../../services/gateway/hub/leaving.ts';
import type { Since } from '../../../services/gateway/hub/since.ts';
import { eventsOf, settle, World } from './world.ts';
import type { Client } from './world.ts';

const runs = ['run.r', 'run.s', 'run.t'];
export const topics = ['a.b', 'a.c', 'x', ...runs];
const names = [...topics, 'a.*', '#', '*.b', 'run.*'];

export type Step =
  | { do: 'publish'; topic: string; count: number; ephemeral: boolean }
  | { do: 'deliver' | 'work' | 'answer'; count: number }
  | { do: 'loseLive'; said: boolean }
  | { do: 'subscribe'; client: number; names: string[]; since: 'latest' | 'earliest' | 'position' | 'time' | 'last' }
  | { do: 'unsubscribe'; client: number; name: string }
  | { do: 'attach'; client: number; run: string; from: 'start' | 'last' | 'later' }
  | { do: 'expect' | 'giveUp'; client: number; run: string }
  | { do: 'start'; client: number; run: string; count: number }
  | { do: 'end'; run: string; how: string }
  | { do: 'stopReading' | 'startReading' | 'hush' | 'speak' | 'disconnect'; client: number }
  | { do: 'read'; client: number; frames: number }
  | { do: 'turn' | 'second' | 'connect' | 'hear' }
  | { do: 'away'; away: boolean }
  | { do: 'rewind'; topic: string; count: number }
  | { do: 'loseTopic' | 'runOut'; topic: string };

const client = fc.nat({ max: 2 });
const topic = fc.constantFrom(...topics);
export const often: fc.WeightedArbitrary<Step>[] = [
  {
    weight: 8,
    arbitrary: fc
      .record({ do: fc.constant('publish'), topic, count: fc.integer({ min: 1, max: 9 }), ephemeral: fc.boolean() })
      .map((step) => ({ ...step, ephemeral: step.ephemeral && step.count === 1 })) as fc.Arbitrary<Step>,
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('deliver'), count: fc.integer({ min: 1, max: 8 }) }) as fc.Arbitrary<Step>,
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('answer'), count: fc.integer({ min: 1, max: 4 }) }) as fc.Arbitrary<Step>,
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('work'), count: fc.integer({ min: 1, max: 4 }) }) as fc.Arbitrary<Step>,
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('subscribe'),
      client,
      names: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }),
      since: fc.constantFrom('latest', 'earliest', 'position', 'time', 'last'),
    }) as fc.Arbitrary<Step>,
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('unsubscribe'),
      client,
      name: fc.constantFrom(...names),
    }) as fc.Arbitrary<Step>,
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('attach'),
      client,
      run: fc.constantFrom(...runs),
      from: fc.constantFrom('start', 'start', 'last', 'later'),
    }) as fc.Arbitrary<Step>,
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('expect', 'expect', 'expect', 'giveUp'),
      client,
      run: fc.constantFrom(...runs),
    }) as fc.Arbitrary<Step>,
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('start'),
      client,
      run: fc.constantFrom(...runs),
      count: fc.integer({ min: 1, max: 3 }),
    }) as fc.Arbitrary<Step>,
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('end'),
      run: fc.constantFrom(...runs),
      how: fc.constantFrom('completed', 'cancelled', 'failed'),
    }) as fc.Arbitrary<Step>,
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('stopReading', 'startReading'), client }) as fc.Arbitrary<Step>,
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('hush', 'speak'), client }) as fc.Arbitrary<Step> },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('read'),
      client,
      frames: fc.integer({ min: 1, max: 10 }),
    }) as fc.Arbitrary<Step>,
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('turn') }) as fc.Arbitrary<Step> },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('second', 'connect') }) as fc.Arbitrary<Step> },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('disconnect'), client }) as fc.Arbitrary<Step> },
];
export const losses: fc.WeightedArbitrary<Step>[] = [
  { weight: 2, arbitrary: fc.record({ do: fc.constant('loseLive'), said: fc.boolean() }) as fc.Arbitrary<Step> },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('away'), away: fc.boolean() }) as fc.Arbitrary<Step> },
];
export const renumberings: fc.WeightedArbitrary<Step>[] = [
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('rewind'),
      topic,
      count: fc.integer({ min: 1, max: 4 }),
    }) as fc.Arbitrary<Step>,
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('loseTopic'), topic }) as fc.Arbitrary<Step> },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('runOut'), topic }) as fc.Arbitrary<Step> },
  // Most of what follows a loss is only seen by a node that hears again.
  { weight: 3, arbitrary: fc.record({ do: fc.constant('hear') }) as fc.Arbitrary<Step> },
];

let bodies = 0;

function sinceOf(world: World, who: Client, step: { names: string[]; since: string }, name: string): Since {
  if (step.since === 'latest' || step.since === 'earliest') return step.since;
  if (step.since === 'last') return { last: 3 };
  if (step.since === 'time') return { time: world.log.clock - 6 };
  if (isPattern(name)) return { positions: {}, time: Math.max(0, world.log.clock - 4) };
  const last = eventsOf(who, name).at(-1);
  return { seq: last?.seq ?? 0, epoch: last?.epoch ?? '' };
}

function afterOf(world: World, who: Client, step: { run: string; from: string }): number | undefined {
  if (step.from === 'start') return undefined;
  // After a loss it may be above the head.
  if (step.from === 'last') return eventsOf(who, step.run).at(-1)?.seq ?? 0;
  return Math.floor((world.log.topics.get(step.run)?.seq ?? 0) / 2);
}

function isThere({ log }: World, run: string): boolean {
  return log.topics.has(run) || log.open.has(run);
}

async function perform(world: World, step: Step): Promise<void> {
  const who = 'client' in step ? world.clients[step.client % world.clients.length]! : world.clients[0]!;
  switch (step.do) {
    case 'publish': {
      if (world.log.hasEnded(step.topic)) break;
      const made = Array.from({ length: step.count }, () => `{"data":${(bodies += 1)}}`);
      world.log.publish(step.topic, made, step.ephemeral);
      break;
    }
    case 'deliver':
      world.log.deliver(step.count);
      break;
    case 'work':
      world.log.work(step.count);
      break;
    case 'answer':
      world.log.answer(step.count);
      await world.turn();
      break;
    case 'loseLive':
      world.log.loseLive(step.said);
      break;
    case 'subscribe':
      // One at a time for a connection, as the core sees to.
      if (who.pending === 0 && !who.subscriber.closed) {
        void world.subscribe(
          who,
          step.names.map((name) => ({ topic: name, since: sinceOf(world, who, step, name) })),
        );
      }
      break;
    case 'unsubscribe':
      if (who.pending === 0 && !who.subscriber.closed) world.unsubscribe(who, step.name);
      break;
    case 'attach':
      // Not while a subscribe before it is under way: the core sees to that, too. And only to a run that there is.
      if (who.pending === 0 && !who.subscriber.closed && isThere(world, step.run))
        world.attach(who, step.run, afterOf(world, who, step));
      break;
    case 'expect':
      // Of a new run only.
      if (!who.subscriber.closed && !isThere(world, step.run)) expectRun(world.hub, who.subscriber, step.run);
      break;
    case 'start':
      // A request from its beginning to its answer, by which the run has said something; others may be under way.
      if (who.pending > 0 || who.subscriber.closed || world.log.topics.has(step.run)) break;
      world.hush(who);
      expectRun(world.hub, who.subscriber, step.run);
      for (let n = 0; n < step.count; n += 1) world.log.publish(step.run, [`{"data":${(bodies += 1)}}`]);
      world.log.deliver(Number.POSITIVE_INFINITY);
      await world.turn();
      world.speak(who, 'newest');
      if (!who.subscriber.closed) world.attach(who, step.run, undefined);
      break;
    case 'giveUp':
      if (!who.subscriber.owed?.attachments.has(step.run)) stopExpecting(world.hub, who.subscriber, step.run);
      break;
    case 'end':
      if (world.log.hasEnded(step.run)) break;
      world.log.publish(step.run, [`{"data":{"kind":"${step.how}","n":${(bodies += 1)}}}`]);
      break;
    case 'stopReading':
      who.socket.reading = false;
      break;
    case 'startReading':
      who.socket.reading = true;
      who.socket.read();
      break;
    case 'hush':
      if (!who.subscriber.closed) world.hush(who);
      break;
    case 'speak':
      world.speak(who);
      break;
    case 'read':
      who.socket.read(step.frames);
      break;
    case 'turn':
      await world.turn();
      break;
    case 'hear':
      world.log.hear();
      break;
    case 'second':
      // No timer of a process fires between its promises.
      await settle();
      world.clock.advance(1000);
      break;
    case 'connect':
      if (world.clients.length < 5) world.connect(world.clients.length !== 3);
      break;
    case 'disconnect':
      world.disconnect(who);
      break;
    case 'away':
      world.log.away = step.away;
      break;
    case 'rewind':
      world.log.rewind(step.topic, step.count);
      break;
    case 'loseTopic':
      world.log.lose(step.topic);
      break;
    case 'runOut':
      world.log.runOut(step.topic);
      break;
  }
}

export async function play(
  steps: Step[],
  options: { maxLag: number; ringEntries: number; keep?: number },
): Promise<World> {
  const world = new World({ ...options, limit: 400 });
  if (options.keep) world.log.keep = options.keep;
  for (let i = 0; i < 3; i += 1) world.connect(i !== 2);
  for (const step of steps) await perform(world, step);
  await world.rest();
  return world;
}
