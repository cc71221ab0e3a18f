import type { Clock } from '../base/clock.ts';
import { must } from '../base/assert.ts';
import { fail, ok } from '../base/errors.ts';
import type { Result } from '../base/errors.ts';
import type { Append, Appended, Engine, LogEvent, Stored } from '../engine/engine.ts';
import type { AgentStatus } from '../protocol/well-known.ts';
import { eventBody } from '../wire/event-frame.ts';
import { compareAndSet } from './compare-and-set.ts';
import { Gathered, portions } from './gathered.ts';
import type { Nodes } from './nodes.ts';
import type { Remains } from './remains.ts';

const ownerKey = 'owner';
const retryMs = 2000;
/**
 * Commits under way: each is a call of its own among those that append, and takes a turn from all of them. After a
 * restart thousands of agents come at once, and the publishes of others are not to wait for them.
 */
const atOnce = 16;
/** One that speaks for more of them than this is asked to do so by several connections. */
const mostAgents = 10_000;
/** Each time another connection was quicker. */
const tries = 20;

export interface AgentStatusParts {
  readonly engine: Pick<Engine, 'log' | 'records' | 'signals'>;
  readonly clock: Clock;
  readonly nodes: Pick<Nodes, 'heldSince'>;
  readonly remains: Pick<Remains, 'note' | 'erase'>;
  readonly node: string;
}

/** A connection that publishes. What it asked for may still be under way when it ends. */
export interface Reporter {
  readonly id: string;
  readonly closing: boolean;
}

interface Owned {
  readonly connection: string;
  /** Of the owner's record. */
  readonly rev: number;
  readonly at: number;
}

/** Another node's connection speaks for the agent now. */
interface Taken {
  readonly agent: string;
  readonly rev: number;
}

/**
 * An agent's status belongs to the connection that published it last. When that vanishes, the agent is reported
 * offline: by its node, and after the node's death by any other. The owner stands in the topic's home, so that taking
 * over, and reporting, are decided there. What follows from the same connection is an ordinary append.
 */
export class AgentStatuses {
  readonly #parts: AgentStatusParts;
  /** By agent. */
  readonly #owned = new Map<string, Owned>();
  readonly #taking = new Map<string, Promise<unknown>>();
  /** What each connection spoke for, or is about to. */
  readonly #agents = new Map<string, Set<string>>();
  /** Agents whose connections vanished: all those of this node that may be the owner. */
  readonly #vanished = new Map<string, Set<string>>();
  /** Those that wait for their turn: no more than requests that are under way. */
  readonly #waiting: (() => void)[] = [];
  #committing = 0;
  readonly #reporting = new Gathered(() => this.#reportAll());
  #deaf: () => void = () => {};
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(parts: AgentStatusParts) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    const { signals } = this.#parts.engine;
    // A signal that is lost, or cannot be heard, costs a report of offline: the other's record is right all the same.
    const listening = await signals.on(signalTo(this.#parts.node), (payload) => this.#taken(payload));
    if (listening.ok) this.#deaf = listening.value;
    this.#later();
  }

  /** What could not be reported is for the others. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    this.#deaf();
    for (const connection of this.#agents.keys()) this.gone(connection);
    await this.#reporting.ask();
  }

  /** Like any append, and in the order in which one connection asks. */
  publish(reporter: Reporter, agent: string, event: Append): Promise<Result<Appended>> {
    const { engine, nodes } = this.#parts;
    const taking = this.#taking.get(agent);
    if (taking) return taking.then(() => this.publish(reporter, agent, event));
    const owned = this.#owned.get(agent);
    // Whoever was out of sight may have been taken for dead, and this agent reported.
    const sure = owned?.connection === reporter.id && owned.at >= nodes.heldSince;
    if (sure) return engine.log.append(event);
    const own = this.#agents.get(reporter.id) ?? new Set();
    if (own.size >= mostAgents && !own.has(agent)) {
      return Promise.resolve(fail('quota_exceeded', `a connection may report the status of ${mostAgents} agents`));
    }
    this.#agents.set(reporter.id, own.add(agent));
    const taken = this.#take(reporter.id, agent, event);
    this.#taking.set(agent, taken);
    void taken.then(() => {
      this.#taking.delete(agent);
      // What it had sent before it ended counts, and so does its end.
      if (reporter.closing) this.gone(reporter.id);
    });
    return taken;
  }

  /** The connection has ended. */
  gone(connection: string): void {
    const own = this.#agents.get(connection);
    if (!own) return;
    this.#agents.delete(connection);
    for (const agent of own) this.#vanish(agent, this.#ownerName(connection));
    void this.#reporting.ask();
  }

  /** The agent may have been spoken for by a connection of a node that is gone. */
  inherit(agent: string, node: string): Promise<Result<void>> {
    return this.#report(agent, (owner) => owner.startsWith(`${node}/`));
  }

  async #take(connection: string, agent: string, event: Append): Promise<Result<Appended>> {
    const { engine, clock, remains } = this.#parts;
    const at = clock.now();
    const noted = await remains.note('agent', agent);
    if (!noted.ok) return noted;
    const value = this.#ownerName(connection);
    let found: Stored | undefined;
    let rev = this.#owned.get(agent)?.rev ?? 0;
    for (let tried = 0; tried < tries; tried += 1) {
      const done = await this.#inTurn(() =>
        engine.records.commit(event.topic, {
          expect: [{ key: ownerKey, rev }],
          put: [{ key: ownerKey, value }],
          append: [event],
        }),
      );
      if (done.ok) {
        this.#owned.set(agent, { connection, rev: rev + 1, at });
        if (found) this.#tell(found.value, { agent, rev: rev + 1 });
        return ok(must(done.value.appended[0]));
      }
      if (done.code !== 'conflict') return done;
      const read = await engine.records.read(event.topic, [ownerKey]);
      if (!read.ok) return read;
      found = read.value[0];
      rev = found?.rev ?? 0;
    }
    return fail('busy', 'too many report the status of this agent at once');
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    // Whoever ends hands its place on, so nobody overtakes.
    if (this.#committing >= atOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#committing += 1;
    const result = await work();
    const next = this.#waiting.shift();
    if (next) next();
    else this.#committing -= 1;
    return result;
  }

  #tell(before: string, taken: Taken): void {
    const node = before.slice(0, before.indexOf('/'));
    if (node !== this.#parts.node) this.#parts.engine.signals.send(signalTo(node), JSON.stringify(taken));
  }

  #taken(payload: string): void {
    const { agent, rev } = JSON.parse(payload) as Taken;
    const owned = this.#owned.get(agent);
    if (owned && owned.rev < rev) this.#owned.delete(agent);
  }

  #vanish(agent: string, owner: string): void {
    const gone = this.#vanished.get(agent) ?? new Set();
    this.#vanished.set(agent, gone.add(owner));
  }

  #ownerName(connection: string): string {
    return `${this.#parts.node}/${connection}`;
  }

  #later(): void {
    this.#cancel = this.#parts.clock.later(retryMs, () => {
      if (this.#vanished.size > 0) void this.#reporting.ask();
      if (!this.#stopped) this.#later();
    });
  }

  async #reportAll(): Promise<void> {
    for (const some of portions(this.#vanished, atOnce)) {
      await Promise.all(some.map(([agent, gone]) => this.#reportGone(agent, gone)));
    }
  }

  /** What the store did not take is tried again later. */
  async #reportGone(agent: string, gone: ReadonlySet<string>): Promise<void> {
    this.#vanished.delete(agent);
    await this.#taking.get(agent);
    const reported = await this.#report(agent, (owner) => gone.has(owner));
    if (!reported.ok) {
      for (const owner of gone) this.#vanish(agent, owner);
      return;
    }
    const owned = this.#owned.get(agent);
    if (owned && gone.has(this.#ownerName(owned.connection))) this.#owned.delete(agent);
    const wanted = this.#owned.has(agent) || this.#taking.has(agent) || this.#vanished.has(agent);
    if (!wanted) this.#parts.remains.erase('agent', agent);
  }

  /** Once, whoever tries: the record that says whose the status is goes with it. */
  #report(agent: string, isGone: (owner: string) => boolean): Promise<Result<void>> {
    const { log, records } = this.#parts.engine;
    const topic = statusTopic(agent);
    return compareAndSet(records, topic, [ownerKey], async ([owner]) => {
      if (!owner || !isGone(owner.value)) return ok({ value: undefined });
      const read = await log.read(topic, { limit: 1, reverse: true });
      if (!read.ok) return read;
      const append = isOffline(read.value.events[0]) ? [] : [this.#offline(agent)];
      return ok({ change: { del: [ownerKey], append }, value: undefined });
    });
  }

  #offline(agentId: string): Append {
    const status: AgentStatus = {
      agentId,
      status: 'offline',
      timestamp: this.#parts.clock.now(),
      reason: 'disconnected',
    };
    const body = eventBody(status);
    return { topic: statusTopic(agentId), body: must(body.ok ? body.value : undefined), retain: true };
  }
}

function statusTopic(agent: string): string {
  return `agent.${agent}.status`;
}

function signalTo(node: string): string {
  return `agent-taken.${node}`;
}

function isOffline(last: LogEvent | undefined): boolean {
  return last !== undefined && (JSON.parse(last.body) as { data: Partial<AgentStatus> }).data.status === 'offline';
}
