import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AgentwireEvent } from '../../../shared/client/index.ts';
import type { Subscription } from '../../../shared/client/index.ts';
import { matches } from '../../../shared/topics/match.ts';
import { codeOf, harness, microtasks } from './harness.ts';
import type { Harness } from './harness.ts';

const topics = ['a.x', 'a.y', 'b.x', 'b.y.z'];
const names = [...topics, 'a.*', 'b.#', '#', '*.x'];
const closeCodes = [1006, 1001, 1011, 4408, 4429];

type Step =
  | { do: 'append' | 'publish'; topic: number }
  | {
      do: 'subscribe';
      name: number;
      since: 'latest' | 'earliest' | { last: number };
      inHandler: 'nothing' | 'again' | 'another' | 'throw';
    }
  | { do: 'unsubscribe'; which: number }
  | { do: 'toServer' | 'toClient' | 'send'; count: number }
  | { do: 'cut'; code: number; late: boolean }
  | { do: 'workOff'; count: number }
  | { do: 'away'; on: boolean }
  | { do: 'goaway'; ms: number }
  | { do: 'pass'; ms: number }
  | { do: 'settle' }
  | { do: 'comeBack' }
  | { do: 'drop'; which: number }
  | { do: 'refuse'; code: string | undefined }
  | { do: 'trim'; topic: number; keep: number }
  | { do: 'renumber'; topic: number };

const small = fc.nat({ max: 7 });
const everyday: fc.WeightedArbitrary<Step>[] = [
  { weight: 8, arbitrary: fc.record({ do: fc.constant('append'), topic: small }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('publish'), topic: small }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('subscribe'),
      name: small,
      since: fc.constantFrom<'latest' | 'earliest' | { last: number }>('latest', 'latest', 'earliest', { last: 2 }),
      inHandler: fc.constantFrom('nothing', 'nothing', 'again', 'another', 'throw'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unsubscribe'), which: small }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('toServer', 'toClient', 'send'), count: small }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('cut'), code: small, late: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('workOff'), count: small }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('away'), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('goaway'), ms: fc.nat({ max: 500 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(1, 50, 200, 6000, 31_000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('settle') }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('comeBack') }) },
];
const mishaps: fc.WeightedArbitrary<Step>[] = [
  { weight: 2, arbitrary: fc.record({ do: fc.constant('drop'), which: small }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('refuse'),
      code: fc.constantFrom('unavailable', 'busy', 'rate_limited', undefined, undefined),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('trim'), topic: small, keep: fc.nat({ max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('renumber'), topic: small }) },
];

/** One subscription of the application, and what its handler saw. */
interface Follower {
  name: string;
  seen: AgentwireEvent[];
  /** How many events there were in all when the subscription was answered: those from there on are owed. */
  owedFrom: number | undefined;
  subscription: Subscription | undefined;
  over: boolean;
}

interface World {
  harness: Harness;
  followers: Follower[];
  published: { topic: string; data: number; outcome: string }[];
  thrown: number;
  seenByAll: AgentwireEvent[];
}

function follow(world: World, name: string, inHandler: Step & { do: 'subscribe' }): void {
  const { harness: made, followers } = world;
  const follower: Follower = { name, seen: [], owedFrom: undefined, subscription: undefined, over: false };
  followers.push(follower);
  const handler = (event: AgentwireEvent): void => {
    follower.seen.push(event);
    if (follower.seen.length !== 2) return;
    if (inHandler.inHandler === 'throw') {
      world.thrown += 1;
      throw new Error('a fault of the application');
    }
    if (inHandler.inHandler === 'again' && follower.subscription) {
      follower.over = true;
      follower.subscription.unsubscribe();
      follow(world, name, { ...inHandler, inHandler: 'nothing' });
    }
    if (inHandler.inHandler === 'another') {
      follow(world, names[(inHandler.name + 3) % names.length]!, { ...inHandler, inHandler: 'nothing' });
    }
  };
  made.client.subscribe(name, handler, { since: inHandler.since }).then(
    (subscription) => {
      follower.subscription = subscription;
      follower.owedFrom = made.log.all.length;
    },
    () => (follower.over = true),
  );
}

async function act(world: World, step: Step): Promise<void> {
  const { harness: made, followers, published } = world;
  const { server, log, client, clock } = made;
  const { socket } = server;
  switch (step.do) {
    case 'append':
      log.append(topics[step.topic % topics.length]!, 'of somebody else');
      break;
    case 'publish': {
      const publish = { topic: topics[step.topic % topics.length]!, data: published.length, outcome: 'open' };
      published.push(publish);
      void client.publish(publish.topic, publish.data).then(
        () => (publish.outcome = 'done'),
        (error: Error) => (publish.outcome = error.message),
      );
      break;
    }
    case 'subscribe':
      follow(world, names[step.name % names.length]!, step);
      break;
    case 'unsubscribe': {
      const follower = followers[step.which];
      if (!follower?.subscription || follower.over) break;
      follower.over = true;
      follower.subscription.unsubscribe();
      break;
    }
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
    case 'cut':
      socket?.cut(closeCodes[step.code % closeCodes.length]!, '', step.late);
      break;
    case 'workOff':
      server.workOffLate(step.count);
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
      // As far as the answers; the events that they promise have not been sent.
      clock.advance(300);
      for (let i = 0; i < 4; i += 1) {
        await microtasks();
        server.socket?.open();
        server.socket?.toServer();
        server.socket?.toClient();
      }
      break;
    case 'drop':
      socket?.dropOldest(step.which);
      break;
    case 'refuse':
      server.mood.refuse = step.code;
      break;
    case 'trim':
      log.trim(topics[step.topic % topics.length]!, step.keep);
      break;
    case 'renumber':
      log.renumber(topics[step.topic % topics.length]!);
  }
  await microtasks();
}

async function run(steps: readonly Step[], coins: readonly boolean[]): Promise<World> {
  let coin = 0;
  const made = harness({ random: () => 0.7 });
  made.server.mood.doneAnyway = () => coins[(coin += 1) % coins.length]!;
  const world: World = { harness: made, followers: [], published: [], thrown: 0, seenByAll: [] };
  made.client.on('event', (event) => void world.seenByAll.push(event));
  void made.client.connect();
  for (const step of steps) await act(world, step);
  // Everything heals, and within a while everything is as it should be.
  made.server.away = false;
  made.server.mood.refuse = undefined;
  made.server.workOffLate(1000);
  await made.quiet();
  await made.pass(12_000);
  for (const topic of topics) made.log.append(topic, 'the last');
  await made.quiet();
  return world;
}

const keyOf = ({ topic, epoch, seq }: { topic: string; epoch?: string; seq: number }): string =>
  `${topic} ${epoch} ${seq}`;

function expectOnceInOrder(events: readonly AgentwireEvent[]): void {
  const last = new Map<string, number>();
  for (const event of events) {
    const numbering = `${event.topic} ${event.epoch}`;
    expect(event.seq).toBeGreaterThan(last.get(numbering) ?? 0);
    last.set(numbering, event.seq);
  }
}

/** What a subscription is owed and did not get, and nobody said so. */
function missing({ harness: { log, told } }: World, follower: Follower): string[] {
  const seen = new Set(follower.seen.map(keyOf));
  const excused = (topic: string, epoch: string, seq: number): boolean =>
    told.dropped.some((said) => {
      if (said.topic !== topic) return false;
      return 'reason' in said ? said.epoch !== epoch : said.from <= seq && seq <= said.to;
    }) ||
    told.gap.some((said) => {
      if (!matches(said.topic, topic) && said.topic !== topic) return false;
      if (said.reason === 'epoch' && said.epoch !== epoch) return true;
      if (said.from !== undefined && said.to !== undefined) return said.from <= seq && seq <= said.to;
      return said.reason === 'not_kept';
    });
  // Nothing of a numbering reached the client before it was gone: no position could tell that there had been one.
  const unheardOf = (topic: string, epoch: string): boolean =>
    log.head(topic).epoch !== epoch && !follower.seen.some((event) => event.topic === topic && event.epoch === epoch);
  return log.all
    .slice(follower.owedFrom)
    .filter((event) => matches(follower.name, event.topic) && !seen.has(keyOf(event)))
    .filter(({ topic, epoch, seq }) => !excused(topic, epoch, seq) && !unheardOf(topic, epoch))
    .map(keyOf);
}

function expectAllOnce(world: World): void {
  const { followers, harness: made, published } = world;
  expect(made.client.state).toBe('connected');
  // A subscription made anew may bring what came in the very millisecond in which the one before it ended.
  if (!followers.some((follower) => follower.over)) expectOnceInOrder(world.seenByAll);
  for (const follower of followers) {
    expectOnceInOrder(follower.seen);
    if (!follower.over) expect([follower.name, missing(world, follower)]).toEqual([follower.name, []]);
    if (!follower.over) expect(follower.subscription).toBeDefined();
  }
  const mine = made.log.all.filter((event) => event.messageId !== undefined).map((event) => event.data as number);
  expect(new Set(mine).size).toBe(mine.length);
  // After two minutes without an answer the server may have forgotten that it had it, so it is not sent again.
  const unknown = published.filter(({ outcome }) => outcome.startsWith('sent long ago')).map(({ data }) => data);
  const done = published.filter(({ outcome }) => outcome === 'done').map(({ data }) => data);
  expect(done.length + unknown.length).toBe(published.length);
  expect(new Set([...mine, ...unknown])).toEqual(new Set([...done, ...unknown]));
  expect(made.told.error.filter((error) => error.message === 'a fault of the application')).toHaveLength(world.thrown);
}

async function expectNothingLeft({ harness: made }: World): Promise<void> {
  const waiting = made.client.publish('a.x', 'too late');
  await made.client.close();
  expect(await codeOf(waiting)).toBe('unavailable');
  expect(made.clock.pending).toBe(0);
  expect(made.server.socket).toBeUndefined();
}

test('whatever is cut and delayed, each handler sees each event once, and each publish is done once, in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(...everyday), { maxLength: 80, size: 'max' }), async (steps) => {
      const world = await run(steps, [false]);
      expectAllOnce(world);
      expect(world.harness.told.gap).toEqual([]);
      for (const topic of topics) {
        const done = world.published.filter(({ outcome }) => outcome === 'done').map(({ data }) => data);
        const mine = world.harness.log.all.filter((event) => event.topic === topic);
        const data = mine.map((event) => event.data as number).filter((each) => done.includes(each));
        expect(data).toEqual([...data].sort((a, b) => a - b));
      }
      await expectNothingLeft(world);
    }),
    { numRuns: 300 },
  );
}, 60_000);

test('refusals, slow readers, trimmed histories and new numberings cost nothing that is not announced', async () => {
  const steps = fc.array(fc.oneof(...everyday, ...mishaps), { maxLength: 80, size: 'max' });
  await fc.assert(
    fc.asyncProperty(steps, fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }), async (taken, coins) => {
      const world = await run(taken, coins);
      expectAllOnce(world);
      await expectNothingLeft(world);
    }),
    { numRuns: 300 },
  );
}, 60_000);
