import { beforeEach, describe, expect, test } from 'vitest';
import { fail, ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import type { NodeFigures } from '../../../shared/domain/nodes.ts';
import { Remains } from '../../../shared/domain/remains.ts';
import type { PresenceEvent } from '../../../shared/protocol/presence.ts';
import { seeded } from '../../support/seeded.ts';
import { settle, World } from './nodes-bench.ts';
import type { Node, Person } from './nodes-bench.ts';

let world: World;
let one: Node;
let other: Node;

beforeEach(async () => {
  world = new World();
  [one, other] = [await world.node(), await world.node()];
  // Nodes judge each other from here on.
  await world.pass(8000);
});

async function enter(node: Node, ...topics: string[]): Promise<Person> {
  const person = node.person();
  await node.presence.join(person.id, 'ann', topics.length > 0 ? topics : ['room'], world.clock.now());
  return person;
}

async function there(node: Node = one): Promise<string[]> {
  const members = await node.presence.members('room');
  return members.ok ? members.value.map(({ connection }) => connection) : [members.code];
}

const told = async (): Promise<string[]> =>
  (await world.log<PresenceEvent>('$presence.room')).map(({ change, connection }) => `${connection} ${change}`);

const ids = (people: readonly Person[]): string[] => people.map(({ id }) => id);

describe('members', () => {
  test('stay while their node is there, in the order in which they came', async () => {
    const first = await enter(other);
    world.clock.advance(1);
    const second = await enter(one);
    await world.pass(60_000);
    expect(await there()).toEqual(ids([first, second]));
    expect(await told()).toEqual([`${first.id} joined`, `${second.id} joined`]);
  });

  test('of a killed node are gone within two lease times, and told of once though all the others look', async () => {
    await world.node();
    await world.node();
    const stays = await enter(one);
    const lost = [await enter(other), await enter(other), await enter(other, 'room', 'hall')];
    await settle();
    other.kill();
    await world.pass(12_000);
    expect(await there()).toEqual([stays.id]);
    const left = (await told()).filter((line) => line.endsWith('left'));
    expect(left.sort()).toEqual(lost.map(({ id }) => `${id} left`).sort());
    expect(await world.log('$presence.hall')).toHaveLength(2);
    await world.pass(20_000);
    expect((await told()).filter((line) => line.endsWith('left'))).toHaveLength(lost.length);
    expect(await world.held('remains')).not.toContain(other.name);
    expect(await world.held(`remains.${other.name}`)).toEqual([]);
  });

  test.each(['before', 'after'])('are told of once when the one that took it on dies %s it told', async (when) => {
    const third = await world.node();
    await world.pass(8000);
    const lost = [await enter(other), await enter(other)];
    // They are renewed: there is nothing to tell but that they left.
    await world.pass(2000);
    other.kill();
    third.mood = 'away';
    one.mood = 'slow';
    while (one.waits === 0) await world.pass(500);
    one.kill();
    if (when === 'after') for (const _ of lost) await one.answer();
    third.mood = 'fine';
    await world.pass(20_000);
    const left = (await told()).filter((line) => line.endsWith('left'));
    expect(left.sort()).toEqual(lost.map(({ id }) => `${id} left`).sort());
    expect(await world.held('remains')).toEqual([]);
  });

  test('that came last, and outlive their killed node by that, are told of as well', async () => {
    await world.pass(1500);
    const lost = await enter(other);
    other.kill();
    await world.pass(14_000);
    expect(await told()).toEqual([`${lost.id} joined`, `${lost.id} left`]);
  });

  test('of a node that stood still have left and joined when it is back', async () => {
    const [stays, away] = [await enter(one), await enter(other)];
    other.freeze();
    await world.pass(20_000);
    expect(await there()).toEqual([stays.id]);
    other.thaw();
    await world.pass(4000);
    expect(await there()).toEqual(ids([stays, away]));
    const own = (await told()).filter((line) => line.startsWith(away.id));
    expect(own).toEqual([`${away.id} joined`, `${away.id} left`, `${away.id} joined`]);
    // What it had noted was taken away, and stands there again.
    expect(await world.held(`remains.${other.name}`)).toEqual(['topic room']);
    other.kill();
    await world.pass(12_000);
    expect(await there()).toEqual([stays.id]);
  });

  test('of a node that stood still for a while that nobody noticed have left and joined, too', async () => {
    const [here, away] = [await enter(one), await enter(other)];
    one.mood = 'away';
    other.freeze();
    await world.pass(7000);
    one.mood = 'fine';
    other.thaw();
    await world.pass(6000);
    expect(await there()).toEqual(ids([here, away]));
    for (const { id } of [here, away]) {
      expect((await told()).filter((line) => line.startsWith(id))).toEqual([
        `${id} joined`,
        `${id} left`,
        `${id} joined`,
      ]);
    }
  });

  test('survive a store that is away for everybody for a moment', async () => {
    const both = [await enter(one), await enter(other)];
    for (const node of world.nodes) node.mood = 'away';
    await world.pass(3000);
    expect(await there()).toEqual(['unavailable']);
    for (const node of world.nodes) node.mood = 'fine';
    await world.pass(10_000);
    expect(await there()).toEqual(ids(both));
    expect(await told()).toEqual(both.map(({ id }) => `${id} joined`));
  });

  test('that nobody judged while the store was away are not told to have left when that was told long ago', async () => {
    const person = await enter(one);
    for (const node of world.nodes) node.mood = 'away';
    await world.pass(120_000);
    for (const node of world.nodes) node.mood = 'fine';
    await world.pass(6000);
    expect(await there()).toEqual([person.id]);
    expect(await told()).toEqual([`${person.id} joined`, `${person.id} joined`]);
  });

  test.each(['away', 'mute'] as const)('join and leave once when the store is %s meanwhile', async (mood) => {
    one.mood = mood;
    const [goes, stays] = [await enter(one), await enter(one)];
    one.mood = 'fine';
    await world.pass(3000);
    expect(await there()).toEqual(ids([goes, stays]));
    one.mood = mood;
    one.leave(goes);
    await settle();
    one.mood = 'fine';
    await world.pass(3000);
    expect(await there()).toEqual([stays.id]);
    const [joined, joinedToo, left, ...more] = await told();
    expect(new Set([joined, joinedToo])).toEqual(new Set([`${goes.id} joined`, `${stays.id} joined`]));
    expect([left, ...more]).toEqual([`${goes.id} left`]);
  });

  test('that come and go at once are told of in this order', async () => {
    const people = Array.from({ length: 20 }, () => one.person());
    for (const { id } of people) {
      void one.presence.join(id, 'ann', ['room'], 1);
      void one.presence.leave(id, ['room']);
      void one.presence.join(id, 'ann', ['room'], 2);
    }
    await world.pass(1000);
    for (const person of people.slice(10)) one.leave(person);
    await world.pass(1000);
    expect((await there()).sort()).toEqual(ids(people.slice(0, 10)).sort());
    const lines = await told();
    for (const { id } of people) {
      const own = lines.filter((line) => line.startsWith(`${id} `)).map((line) => line.split(' ')[1]);
      own.forEach((change, i) => expect(change).toBe(i % 2 === 0 ? 'joined' : 'left'));
      expect(own.at(-1)).toBe(people.slice(0, 10).some((stays) => stays.id === id) ? 'joined' : 'left');
    }
  });

  test('come and are renewed in bulk', async () => {
    one.calls.length = 0;
    const joining = Array.from({ length: 5000 }, () => enter(one));
    await Promise.all(joining);
    const holds = (): number => one.calls.filter((call) => call === 'hold presence.room').length;
    expect(holds()).toBeLessThan(20);
    one.calls.length = 0;
    await world.pass(2000);
    expect(holds()).toBe(10);
    expect(await there()).toHaveLength(5000);
  });
});

test('however often a crowd is asked for, the store is asked now and then, and for no old answer', async () => {
  let lists = 0;
  const list = world.engine.leases.list.bind(world.engine.leases);
  world.engine.leases.list = (group) => {
    if (group === 'presence.room') lists += 1;
    return list(group);
  };
  await Promise.all(Array.from({ length: 1000 }, () => enter(other)));
  const answers = [there(), there(), there(), there()];
  await settle();
  expect(lists).toBe(1);
  await world.pass(500);
  await Promise.all(answers);
  expect(lists).toBe(2);
  await world.pass(500);
  const late = await enter(one);
  const after = there();
  await settle();
  expect(lists).toBe(3);
  expect(await after).toContain(late.id);
  const early = there();
  await settle();
  // 60 ms after the one before.
  expect(lists).toBe(3);
  await world.pass(500);
  expect(await early).toHaveLength(1001);
});

test('a node that is stopped leaves nothing to clean up', async () => {
  const stays = await enter(one);
  const person = await enter(other, 'room', 'hall');
  await other.report(person, '7', 'busy');
  await other.stop();
  expect(await there()).toEqual([stays.id]);
  expect(await world.held('remains')).toEqual([one.name]);
  expect(await world.held(`remains.${other.name}`)).toEqual([]);
  expect((await world.log('agent.7.status')).at(-1)).toMatchObject({ status: 'offline' });
});

test('a node that is stopped while it cleans up leaves the rest of it to the others', async () => {
  const { clock, engine } = world;
  const entries = Array.from({ length: 40 }, (_, i) => ({ member: `agent a${i}`, value: '' }));
  await engine.leases.hold('remains.dead', entries, 1e9);
  await engine.leases.hold('remains', [{ member: 'dead', value: '' }], 1e9);
  const nodes = { heldSince: 0, list: () => Promise.resolve(ok([{ node: 'own' }] as NodeFigures[])) };
  const remains = new Remains({ leases: engine.leases, clock, nodes, node: 'own' });
  const handed: string[] = [];
  const hand = (name: string): Promise<Result<void>> => {
    handed.push(name);
    void remains.stop();
    return Promise.resolve(ok(undefined));
  };
  one.kill();
  other.kill();
  remains.start({ agent: hand, topic: hand });
  await world.pass(10_000);
  expect(handed).toHaveLength(1);
  expect(await world.held('remains.dead')).toHaveLength(entries.length - 1);
  expect(await world.held('remains')).toContain('dead');
});

describe('what a node notes again while others clean up after it', () => {
  /** Looks before this one leave the note of a topic: members may be held for longer than their node. */
  const lateLook = 4;
  const listed = { list: () => Promise.resolve(ok([] as NodeFigures[])) };
  let back: Remains;
  /** Of the node that comes back. */
  let sight: { heldSince: number };

  beforeEach(async () => {
    for (const node of world.nodes) node.kill();
    sight = { heldSince: 1 };
    const nodes = Object.assign(sight, listed);
    back = new Remains({ leases: world.engine.leases, clock: world.clock, nodes, node: 'back' });
    await Promise.all([back.note('topic', 'room'), back.note('agent', '7')]);
  });

  /** It is in the middle of it, as far as the other nodes of the cluster are concerned, when `meanwhile` is called. */
  async function cleanUp(alive: () => string[], meanwhile: () => Promise<unknown>): Promise<void> {
    const list = (): Promise<Result<NodeFigures[]>> =>
      Promise.resolve(ok(alive().map((node) => ({ node }) as NodeFigures)));
    const nodes = { heldSince: 0, list };
    const remains = new Remains({ leases: world.engine.leases, clock: world.clock, nodes, node: 'own' });
    remains.start({
      topic: async () => {
        await meanwhile();
        return ok(undefined);
      },
      agent: () => Promise.resolve(fail('conflict', 'the node is back')),
    });
    await world.pass(14_000);
    await remains.stop();
  }

  test('stays, though they had found the note of before', async () => {
    let looks = 0;
    let isBack = false;
    await cleanUp(
      () => (isBack ? ['own', 'back'] : ['own']),
      async () => {
        if ((looks += 1) < lateLook) return;
        isBack = true;
        sight.heldSince = world.clock.now();
        await back.note('topic', 'room');
      },
    );
    expect(isBack).toBe(true);
    expect((await world.held('remains.back')).sort()).toEqual(['agent 7', 'topic room']);
    expect(await world.held('remains')).toEqual(['back']);
  });

  test('stays, though they judged it before it came back and looked for its notes after', async () => {
    let looks = 0;
    let isBack = false;
    const { leases } = world.engine;
    const list = leases.list.bind(leases);
    leases.list = async (group) => {
      if (group === 'remains.back' && (looks += 1) === lateLook) {
        isBack = true;
        sight.heldSince = world.clock.now();
        await back.note('topic', 'room');
      }
      return list(group);
    };
    await cleanUp(
      () => (isBack ? ['own', 'back'] : ['own']),
      () => Promise.resolve(),
    );
    expect(isBack).toBe(true);
    expect((await world.held('remains.back')).sort()).toEqual(['agent 7', 'topic room']);
  });
});

test('nobody is judged by a node that has just come', async () => {
  await enter(other);
  other.kill();
  one.kill();
  await world.pass(20_000);
  const third = await world.node();
  await world.pass(5000);
  expect(third.calls.filter((call) => call.startsWith('reap'))).toEqual([]);
  await world.pass(10_000);
  expect((await told()).at(-1)).toMatch(/left$/);
});

test('what was noted stays noted for months', async () => {
  await enter(one);
  for (let days = 0; days < 20; days += 1) {
    world.clock.advance(12 * 3600 * 1000);
    await world.pass(4000);
  }
  expect(await world.held(`remains.${one.name}`)).toEqual(['topic room']);
  expect(await world.held('remains')).toEqual([one.name]);
});

/** `PRESENCE_SEEDS=500` looks at more of them. */
const seeds = Number(process.env['PRESENCE_SEEDS'] ?? 20);

test.each(Array.from({ length: seeds }, (_, seed) => seed))(
  'whatever happens, everybody is told to come and to leave in turn, and is there who is there (%i)',
  async (seed) => {
    const random = seeded(seed);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
    const people: { node: Node; person: Person; inside: boolean }[] = [];
    for (let steps = 0; steps < 60; steps += 1) {
      const alive = world.nodes.filter((node) => node.alive);
      const chance = random();
      const chosen = people.length > 0 ? pick(people) : undefined;
      if (chance < 0.2) people.push({ node: pick(alive), person: { id: `p${steps}`, closing: false }, inside: false });
      else if (chance < 0.6) {
        if (!chosen?.node.alive || chosen.person.closing) continue;
        chosen.inside = !chosen.inside;
        const { presence } = chosen.node;
        if (chosen.inside) void presence.join(chosen.person.id, 'ann', ['room'], world.clock.now());
        else void presence.leave(chosen.person.id, ['room']);
      } else if (chance < 0.68) {
        if (chosen?.node.alive) chosen.node.leave(chosen.person);
      } else if (chance < 0.74) pick(alive).mood = pick(['mute', 'away']);
      else if (chance < 0.82) for (const node of alive) node.mood = 'fine';
      else if (chance < 0.84 && alive.length > 1) {
        // Whoever dies before it has told what it did takes that along.
        const dies = pick(alive);
        dies.mood = 'fine';
        await world.pass(4000);
        dies.kill();
      } else if (chance < 0.87 && alive.length > 1) pick(alive).freeze();
      else if (chance < 0.9) world.nodes.find((node) => node.frozen)?.thaw();
      else if (chance < 0.92 && alive.length < 4) await world.node();
      else await world.pass(pick([500, 2000, 8000]));
    }
    for (const node of world.nodes) {
      node.mood = 'fine';
      if (node.frozen) node.thaw();
    }
    await world.pass(30_000);
    const inside = people.filter(({ node, person, inside: within }) => within && node.alive && !person.closing);
    expect((await there(world.nodes.find((node) => node.alive))).sort()).toEqual(
      ids(inside.map(({ person }) => person)).sort(),
    );
    const lines = await told();
    for (const { person } of people) {
      const own = lines.filter((line) => line.startsWith(`${person.id} `)).map((line) => line.split(' ')[1]);
      const expected = own.map((_, i) => (i % 2 === 0 ? 'joined' : 'left'));
      expect([person.id, own]).toEqual([person.id, expected]);
      expect(own.length % 2 === 1).toBe(inside.some((each) => each.person === person));
    }
  },
);
