import { ManualClock } from '../../../shared/base/clock.ts';
import type { Clock } from '../../../shared/base/clock.ts';
import { fail } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import { AgentStatuses } from '../../../shared/domain/agent-status.ts';
import { Nodes } from '../../../shared/domain/nodes.ts';
import { Presence } from '../../../shared/domain/presence/presence.ts';
import { Remains } from '../../../shared/domain/remains.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';

const stepMs = 500;

/**
 * How the store answers: `away`, and nothing happens; `mute`, and it has happened, but the answer is lost; `slow`, and
 * topics and records are changed only when the test says so.
 */
export type Mood = 'fine' | 'away' | 'mute' | 'slow';

export interface Person {
  readonly id: string;
  closing: boolean;
}

/** Several nodes on one store, and a clock for all of them that is driven by hand. */
export class World {
  readonly clock = new ManualClock();
  readonly engine: Engine;
  readonly nodes: Node[] = [];
  readonly metaTtlMs: number;

  constructor(metaTtlMs = 1e9) {
    const { clock } = this;
    this.metaTtlMs = metaTtlMs;
    this.engine = createMemoryEngine({ historySize: 10_000, historyTtlMs: 1e9, metaTtlMs, clock });
  }

  async node(): Promise<Node> {
    const node = new Node(this, `n${this.nodes.length}`);
    this.nodes.push(node);
    await node.start();
    return node;
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(left, stepMs));
      await settle();
    }
  }

  async log<T = Record<string, unknown>>(topic: string): Promise<T[]> {
    const read = await this.engine.log.read(topic, { limit: 1000 });
    if (!read.ok) throw new Error(read.message);
    return read.value.events.map(({ body }) => (JSON.parse(body) as { data: T }).data);
  }

  async held(group: string): Promise<string[]> {
    const held = await this.engine.leases.list(group);
    if (!held.ok) throw new Error(held.message);
    return held.value.map(({ member }) => member);
  }
}

/** One of them: what it does with time and store can be stopped from outside. */
export class Node {
  readonly name: string;
  readonly presence: Presence;
  readonly statuses: AgentStatuses;
  /** The calls that change the store, by name. */
  readonly calls: string[] = [];
  mood: Mood = 'fine';
  readonly #nodes: Nodes;
  readonly #remains: Remains;
  /** Killed, or standing still; what was due meanwhile. */
  #state: 'alive' | 'frozen' | 'dead' = 'alive';
  #due: (() => void)[] = [];
  readonly #slow: (() => void)[] = [];
  #people = 0;

  constructor({ clock, engine, metaTtlMs }: World, name: string) {
    this.name = name;
    const own: Clock = {
      now: () => clock.now(),
      later: (ms, run) => clock.later(ms, () => this.#when(run)),
    };
    const store = this.#around(engine);
    const figures = { startedAt: 0, connections: 0, subscriptions: 0, eventsPublished: 0, eventsDelivered: 0 };
    this.#nodes = new Nodes(store.leases, own, () => ({ node: name, ...figures }));
    this.#remains = new Remains({ leases: store.leases, clock: own, nodes: this.#nodes, node: name });
    this.presence = new Presence({ engine: store, clock: own, remains: this.#remains });
    const parts = { engine: store, clock: own, nodes: this.#nodes, remains: this.#remains, node: name, metaTtlMs };
    this.statuses = new AgentStatuses(parts);
  }

  get alive(): boolean {
    return this.#state === 'alive';
  }

  get frozen(): boolean {
    return this.#state === 'frozen';
  }

  async start(): Promise<void> {
    await this.#nodes.start();
    this.presence.start();
    this.statuses.start();
    this.#remains.start({
      topic: (topic) => this.presence.reap(topic),
      agent: (agent, node) => this.statuses.inherit(agent, node),
    });
  }

  async stop(): Promise<void> {
    await Promise.all([this.presence.stop(), this.statuses.stop()]);
    await this.#remains.stop();
    await this.#nodes.stop();
    this.#state = 'dead';
  }

  kill(): void {
    this.#state = 'dead';
  }

  freeze(): void {
    this.#state = 'frozen';
  }

  thaw(): void {
    this.#state = 'alive';
    const due = this.#due;
    this.#due = [];
    for (const run of due) run();
  }

  /** Changes that a slow store has not made. */
  get waits(): number {
    return this.#slow.length;
  }

  /** The oldest of them is made. */
  async answer(): Promise<void> {
    this.#slow.shift()?.();
    await settle();
  }

  person(): Person {
    this.#people += 1;
    return { id: `${this.name}-${this.#people}`, closing: false };
  }

  report(person: Person, agentId: string, status: string): Promise<Result<unknown>> {
    const body = JSON.stringify({ data: { agentId, status } });
    return this.statuses.publish(person, agentId, { topic: `agent.${agentId}.status`, body });
  }

  leave(person: Person): void {
    person.closing = true;
    this.presence.gone(person.id);
    this.statuses.gone(person.id);
  }

  #when(run: () => void): void {
    if (this.#state === 'alive') run();
    else if (this.#state === 'frozen') this.#due.push(run);
  }

  #around({ log, records, leases, signals }: Engine): Pick<Engine, 'log' | 'records' | 'leases' | 'signals'> {
    return {
      log: { ...bound(log), append: (event) => this.#changes('append', () => log.append(event)) },
      records: {
        ...bound(records),
        commit: (home, change) => this.#changes('commit', () => records.commit(home, change)),
      },
      leases: {
        hold: (group, members, ttlMs) => this.#changes(`hold ${group}`, () => leases.hold(group, members, ttlMs)),
        drop: (group, members) => this.#changes(`drop ${group}`, () => leases.drop(group, members)),
        reap: (group) => this.#changes(`reap ${group}`, () => leases.reap(group)),
        forget: (group, ...rest) => this.#changes(`forget ${group}`, () => leases.forget(group, ...rest)),
        list: (group) => (this.mood === 'away' ? Promise.resolve(fail('unavailable')) : leases.list(group)),
      },
      signals: bound(signals),
    };
  }

  /** Of a node that is dead nothing arrives, and it hears nothing. */
  async #changes<T>(name: string, call: () => Promise<Result<T>>): Promise<Result<T>> {
    if (this.#state === 'dead') return new Promise(() => {});
    this.calls.push(name);
    const held = name === 'append' || name === 'commit';
    if (this.mood === 'slow' && held) await new Promise<void>((resolve) => this.#slow.push(resolve));
    if (this.mood === 'fine' || this.mood === 'slow') return call();
    if (this.mood === 'mute') await call();
    return fail('unavailable');
  }
}

/** All methods of an object of a class, as those of a plain one. */
function bound<T extends object>(object: T): T {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(object)) as (keyof T & string)[];
  const own = names.filter((name) => typeof object[name] === 'function');
  return Object.fromEntries(own.map((name) => [name, (object[name] as () => unknown).bind(object)])) as unknown as T;
}

export async function settle(): Promise<void> {
  for (let i = 0; i < 4; i += 1) await new Promise((resolve) => setImmediate(resolve));
}
