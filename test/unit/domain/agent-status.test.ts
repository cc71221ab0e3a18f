import { beforeEach, describe, expect, test } from 'vitest';
import { seeded } from '../../support/seeded.ts';
import { settle, World } from './nodes-bench.ts';
import type { Node, Person } from './nodes-bench.ts';
import { codeOf, got } from './runs-bench.ts';

let world: World;
let one: Node;
let other: Node;

beforeEach(async () => {
  world = new World();
  [one, other] = [await world.node(), await world.node()];
  // Nodes judge each other from here on.
  await world.pass(8000);
});

const statuses = async (agent = '7'): Promise<unknown[]> =>
  (await world.log<{ status: string }>(`agent.${agent}.status`)).map(({ status }) => status);

const commits = (node: Node): number => node.calls.filter((call) => call === 'commit').length;

describe('who spoke last for an agent', () => {
  test('is written down once, and speaks by plain appends from then on', async () => {
    const person = one.person();
    for (let i = 0; i < 50; i += 1) await got(one.report(person, '7', `busy ${i}`));
    await world.pass(60_000);
    await got(one.report(person, '7', 'idle'));
    expect(commits(one)).toBe(1);
    expect(await statuses()).toHaveLength(51);
  });

  test('loses it to a connection elsewhere, and takes it back by speaking', async () => {
    const [here, there] = [one.person(), other.person()];
    await got(one.report(here, '7', 'a'));
    await got(other.report(there, '7', 'b'));
    await settle();
    await got(one.report(here, '7', 'c'));
    expect(commits(one)).toBeGreaterThan(1);
    other.leave(there);
    await settle();
    expect(await statuses()).toEqual(['a', 'b', 'c']);
    one.leave(here);
    await settle();
    expect(await statuses()).toEqual(['a', 'b', 'c', 'offline']);
  });

  test('takes it back in the order in which it asked, whatever was under way', async () => {
    const [here, there] = [one.person(), other.person()];
    await got(one.report(here, '7', 'a'));
    one.mood = 'slow';
    const under = ['b', 'c', 'd'].map((status) => one.report(here, '7', status));
    await got(other.report(there, '7', 'x'));
    one.mood = 'fine';
    await one.answer();
    const more = ['e', 'f'].map((status) => one.report(here, '7', status));
    while (one.waits > 0) await one.answer();
    for (const each of [...under, ...more]) await got(each);
    expect(await statuses()).toEqual(['a', 'x', 'b', 'c', 'd', 'e', 'f']);
    other.leave(there);
    await settle();
    one.leave(here);
    await settle();
    expect(await statuses()).toEqual(['a', 'x', 'b', 'c', 'd', 'e', 'f', 'offline']);
  });

  test('takes it back from another connection of its node, too', async () => {
    const [first, second] = [one.person(), one.person()];
    for (const [person, status] of [
      [first, 'a'],
      [second, 'b'],
      [first, 'c'],
    ] as const)
      await got(one.report(person, '7', status));
    one.leave(second);
    await settle();
    expect(await statuses()).toEqual(['a', 'b', 'c']);
  });

  test('is known for as long as it goes on to speak, and not much longer', async () => {
    world = new World(60_000);
    one = await world.node();
    const [person, quiet] = [one.person(), one.person()];
    await got(one.report(quiet, 'quiet', 'busy'));
    for (let i = 0; i < 10; i += 1) {
      await got(one.report(person, '7', `busy ${i}`));
      await world.pass(25_000);
    }
    expect(await world.engine.records.read('agent.quiet.status', ['owner'])).toMatchObject({ value: [undefined] });
    one.leave(person);
    await settle();
    expect((await statuses()).at(-1)).toBe('offline');
  });

  test('is asked again after the node was out of sight', async () => {
    const person = one.person();
    await got(one.report(person, '7', 'a'));
    one.mood = 'away';
    await world.pass(10_000);
    one.mood = 'fine';
    await world.pass(4000);
    await got(one.report(person, '7', 'b'));
    const asked = commits(one);
    await got(one.report(person, '7', 'c'));
    expect(commits(one)).toBe(asked);
    one.leave(person);
    await settle();
    expect(await statuses()).toEqual(['a', 'offline', 'a', 'b', 'c', 'offline']);
  });

  test('is offline after a word that was still under way when it ended', async () => {
    const person = one.person();
    one.leave(person);
    await got(one.report(person, '7', 'late'));
    await world.pass(10_000);
    expect(await statuses()).toEqual(['late', 'offline']);
    expect(await world.held(`remains.${one.name}`)).toEqual([]);
  });

  test('speaks for so many, and no more', async () => {
    const person = one.person();
    const all = Array.from({ length: 10_000 }, (_, i) => one.report(person, `a${i}`, 'busy'));
    expect((await Promise.all(all)).every(({ ok }) => ok)).toBe(true);
    expect(await codeOf(one.report(person, 'more', 'busy'))).toBe('quota_exceeded');
    expect(await codeOf(one.report(person, 'a1', 'idle'))).toBe('ok');
    expect(await codeOf(one.report(one.person(), 'more', 'busy'))).toBe('ok');
    one.leave(person);
    await world.pass(2000);
    expect(await statuses('a9999')).toEqual(['busy', 'offline']);
    expect(await world.held(`remains.${one.name}`)).toEqual(['agent more']);
  });
});

describe('a node that was taken for dead', () => {
  test.each(['frozen', 'away'] as const)('says again what had been said last, when it was %s', async (how) => {
    const [person, gone] = [one.person(), one.person()];
    for (const status of ['a', 'b']) await got(one.report(person, '7', status));
    await got(one.report(person, 'says', 'offline'));
    await got(one.report(gone, 'gone', 'busy'));
    await got(one.report(one.person(), 'moves', 'busy'));
    if (how === 'frozen') one.freeze();
    else one.mood = 'away';
    one.leave(gone);
    await world.pass(10_000);
    await got(other.report(other.person(), 'moves', 'moved'));
    if (how === 'frozen') one.thaw();
    else one.mood = 'fine';
    await world.pass(6000);
    expect(await statuses()).toEqual(['a', 'b', 'offline', 'b']);
    expect(await statuses('says')).toEqual(['offline']);
    expect(await statuses('gone')).toEqual(['busy', 'offline']);
    expect(await statuses('moves')).toEqual(['busy', 'offline', 'moved']);
    one.leave(person);
    await world.pass(2000);
    expect(await statuses()).toEqual(['a', 'b', 'offline', 'b', 'offline']);
  });

  test('says it again, too, when the answer by which it would have known was lost', async () => {
    await got(one.report(one.person(), '7', 'busy'));
    one.mood = 'away';
    await world.pass(10_000);
    one.mood = 'mute';
    await world.pass(2000);
    one.mood = 'fine';
    await world.pass(6000);
    expect(await statuses()).toEqual(['busy', 'offline', 'busy']);
  });

  test('says again also what it was never told that the store had taken', async () => {
    one.mood = 'slow';
    const saying = one.report(one.person(), '7', 'busy');
    await settle();
    one.mood = 'mute';
    await one.answer();
    expect(await codeOf(saying)).toBe('unavailable');
    one.mood = 'fine';
    one.freeze();
    await world.pass(10_000);
    one.thaw();
    await world.pass(6000);
    expect(await statuses()).toEqual(['busy', 'offline', 'busy']);
  });

  test('says it as a new event, also where the log has dropped the first one', async () => {
    const body = JSON.stringify({ data: { agentId: '7', status: 'busy' }, messageId: 'm1' });
    await got(one.statuses.publish(one.person(), '7', { topic: 'agent.7.status', body, messageId: 'm1', keep: 1 }));
    one.freeze();
    await world.pass(10_000);
    const dropping = { topic: 'agent.7.status', body: '{"data":{"agentId":"7","status":"offline"}}', keep: 1 };
    await got(world.engine.log.append(dropping));
    one.thaw();
    await world.pass(6000);
    const { events } = await got(world.engine.log.read('agent.7.status', { limit: 10 }));
    expect(events.map(({ body: each }) => each)).toEqual([dropping.body, '{"data":{"agentId":"7","status":"busy"}}']);
  });

  test('keeps quiet where somebody has spoken meanwhile whom nobody can own', async () => {
    await got(one.report(one.person(), '7', 'busy'));
    one.freeze();
    await world.pass(10_000);
    await got(world.engine.log.append({ topic: 'agent.7.status', body: '{"data":{"status":"by hand"}}' }));
    one.thaw();
    await world.pass(6000);
    expect(await statuses()).toEqual(['busy', 'offline', 'by hand']);
  });

  test('is left alone by those who find it back in the middle of a clean-up', async () => {
    await got(one.report(one.person(), '7', 'busy'));
    expect(await codeOf(other.statuses.inherit('7', one.name))).toBe('conflict');
    expect(await statuses()).toEqual(['busy']);
    one.freeze();
    await world.pass(5500);
    other.mood = 'slow';
    await world.pass(4500);
    expect(other.waits).toBeGreaterThan(0);
    one.thaw();
    await world.pass(4000);
    other.mood = 'fine';
    while (other.waits > 0) await other.answer();
    await world.pass(10_000);
    expect(await statuses()).toEqual(['busy']);
  });
});

describe('offline', () => {
  test('is reported once though several nodes clean up, and at their first look', async () => {
    await world.node();
    await world.node();
    const people = Array.from({ length: 50 }, () => other.person());
    await Promise.all(people.map((person, i) => got(other.report(person, `a${i}`, 'busy'))));
    other.kill();
    await world.pass(12_000);
    for (const i of people.keys()) expect(await statuses(`a${i}`)).toEqual(['busy', 'offline']);
    await world.pass(20_000);
    for (const i of people.keys()) expect(await statuses(`a${i}`)).toEqual(['busy', 'offline']);
    expect(await world.held('remains')).toEqual([]);
  });

  test.each(['away', 'mute'] as const)('is reported once when the store is %s meanwhile', async (mood) => {
    const person = one.person();
    await got(one.report(person, '7', 'busy'));
    one.mood = mood;
    one.leave(person);
    await world.pass(4000);
    one.mood = 'fine';
    await world.pass(4000);
    expect(await statuses()).toEqual(['busy', 'offline']);
    expect(await world.held(`remains.${one.name}`)).toEqual([]);
  });

  test('is reported of one whose first word was heard, though its answer was lost', async () => {
    const person = one.person();
    one.mood = 'mute';
    expect(await codeOf(one.report(person, '7', 'busy'))).toBe('unavailable');
    one.mood = 'fine';
    await world.pass(2000);
    expect(await codeOf(one.report(person, '7', 'busy too'))).toBe('ok');
    one.leave(person);
    await world.pass(2000);
    expect((await statuses()).at(-1)).toBe('offline');
  });

  test('comes after the last word, also when the connection ends while that is under way', async () => {
    const person = one.person();
    const saying = [one.report(person, '7', 'a'), one.report(person, '7', 'b'), one.report(person, '7', 'c')];
    one.leave(person);
    await Promise.all(saying);
    await world.pass(2000);
    expect(await statuses()).toEqual(['a', 'b', 'c', 'offline']);
  });

  test.each(['nothing of JSON', 'null', '{"data":null}'])('is reported after an event that is %s', async (body) => {
    const person = one.person();
    await got(one.report(person, '7', 'busy'));
    await got(world.engine.log.append({ topic: 'agent.7.status', body }));
    one.leave(person);
    await world.pass(2000);
    const { events } = await got(world.engine.log.read('agent.7.status', { limit: 10 }));
    expect(events.at(-1)?.body).toContain('offline');
  });

  test('comes after a word that was under way and took its time', async () => {
    const person = one.person();
    await got(one.report(person, '7', 'a'));
    one.mood = 'slow';
    void one.report(person, '7', 'b');
    one.leave(person);
    one.mood = 'fine';
    await settle();
    while (one.waits > 0) await one.answer();
    expect(await statuses()).toEqual(['a', 'b', 'offline']);
  });

  test('is the last word of a node that is dead, whatever of it arrives later', async () => {
    const person = one.person();
    await got(one.report(person, '7', 'a'));
    one.mood = 'slow';
    void one.report(person, '7', 'b');
    one.kill();
    await world.pass(12_000);
    await one.answer();
    expect(await statuses()).toEqual(['a', 'offline']);
  });

  test('is left to the others by a node that is stopped while the store is away', async () => {
    await got(one.report(one.person(), '7', 'busy'));
    one.mood = 'away';
    const stopped = one.stop();
    await world.pass(14_000);
    await stopped;
    expect(await statuses()).toEqual(['busy', 'offline']);
  });
});

/** `AGENT_STATUS_SEEDS=500` looks at more of them. */
const seeds = Number(process.env['AGENT_STATUS_SEEDS'] ?? 20);

test.each(Array.from({ length: seeds }, (_, seed) => seed))(
  'whatever happens, an agent is offline exactly if the connection that spoke last is gone, and told so once (%i)',
  async (seed) => {
    const random = seeded(seed);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
    const agents = ['a', 'b', 'c'];
    let people: { node: Node; person: Person }[] = [];
    /** Who said what: no two say the same. */
    const speakers = new Map<string, Person>();
    for (let steps = 0; steps < 60; steps += 1) {
      const alive = world.nodes.filter((node) => node.alive);
      const chance = random();
      if (chance < 0.15) people.push({ node: pick(alive), person: { id: `p${steps}`, closing: false } });
      else if (chance < 0.6 && people.length > 0) {
        const { node, person } = pick(people);
        const agent = pick(agents);
        for (let words = pick([1, 1, 3]); words > 0 && node.alive && !person.closing; words -= 1) {
          const status = `said ${speakers.size}`;
          speakers.set(status, person);
          void node.report(person, agent, status);
        }
      } else if (chance < 0.7 && people.length > 0) {
        const { node, person } = pick(people);
        if (node.alive) node.leave(person);
      } else if (chance < 0.75) pick(alive).mood = pick(['mute', 'away']);
      else if (chance < 0.8) for (const node of alive) node.mood = 'fine';
      else if (chance < 0.82 && alive.length > 1) pick(alive).kill();
      else if (chance < 0.85 && alive.length > 1) pick(alive).freeze();
      else if (chance < 0.88) world.nodes.find((node) => node.frozen)?.thaw();
      else if (chance < 0.9 && alive.length < 4) await world.node();
      // One that has stood still itself takes others for dead that are back.
      else if (chance < 0.92) void pick(alive).statuses.inherit(pick(agents), pick(world.nodes).name);
      else await world.pass(pick([500, 2000, 8000]));
      people = people.filter(({ node, person }) => (node.alive || node.frozen) && !person.closing);
    }
    for (const node of world.nodes) {
      node.mood = 'fine';
      if (node.frozen) node.thaw();
    }
    await world.pass(30_000);
    const there = new Set(people.filter(({ node }) => node.alive).map(({ person }) => person));
    for (const agent of agents) {
      const heard = await statuses(agent);
      // What is said again was said before.
      const latest = heard.filter((status, i) => status !== 'offline' && heard.indexOf(status) === i).at(-1) as string;
      if (latest !== undefined) expect(heard.at(-1)).toBe(there.has(speakers.get(latest)!) ? latest : 'offline');
    }
    for (const { node, person } of people) if (node.alive) node.leave(person);
    await world.pass(30_000);
    for (const agent of agents) {
      const heard = await statuses(agent);
      if (heard.length > 0) expect(heard.at(-1)).toBe('offline');
      expect(heard.filter((status, i) => status === 'offline' && heard[i - 1] === 'offline')).toEqual([]);
    }
    const alive = world.nodes.filter((node) => node.alive).map(({ name }) => `remains.${name}`);
    for (const group of alive) expect(await world.held(group)).toEqual([]);
  },
);
