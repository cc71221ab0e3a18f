import type { Clock } from '../base/clock.ts';
import { must } from '../base/assert.ts';
import { fail, ok } from '../base/errors.ts';
import type { Result } from '../base/errors.ts';
import type { Append, Appended, Engine } from '../engine/engine.ts';
import { AgentOwners, untitled } from './agent-owners.ts';
import type { Title } from './agent-owners.ts';
import { Gathered, portions } from './gathered.ts';
import type { Nodes } from './nodes.ts';
import type { Remains } from './remains.ts';

const lookMs = 2000;
/** Reported or restored: as many as there are takeovers at once, for the same reason. */
const atOnce = 16;
/** One that speaks for more of them than this is asked to do so by several connections. */
const mostAgents = 10_000;
const never = Number.NEGATIVE_INFINITY;

export interface AgentStatusParts {
  readonly engine: Pick<Engine, 'log' | 'records'>;
  readonly clock: Clock;
  readonly nodes: Pick<Nodes, 'heldSince' | 'list'>;
  readonly remains: Pick<Remains, 'note' | 'erase'>;
  readonly node: string;
  /** How long a numbering outlives its events. */
  readonly metaTtlMs: number;
}

/** A connection that publishes. What it asked for may still be under way when it ends. */
export interface Reporter {
  readonly id: string;
  readonly closing: boolean;
}

interface Owned {
  readonly connection: string;
  readonly title: Title;
  /** When it was certain; never, where that is to be found out. */
  at: number;
  /** The last of its plain appends: they are answered in order. */
  latest: Promise<unknown> | undefined;
}

interface Ask {
  readonly reporter: Reporter;
  readonly event: Append;
  readonly resolve: (done: Result<Appended> | Promise<Result<Appended>>) => void;
}

/** What is asked for an agent while it changes hands. Those that the log refused had been asked before the others. */
interface Line {
  readonly refused: Ask[];
  readonly waiting: Ask[];
  readonly served: Promise<void>;
}

/**
 * An agent's status belongs to the connection that published it last. When that vanishes, the agent is reported
 * offline: by its node, and after the node's death by any other. The owner stands in the topic's home, so that taking
 * over, and reporting, are decided there. What follows from the same connection is an ordinary append, with a fence by
 * which the log refuses it once another one has taken over.
 */
export class AgentStatuses {
  readonly #parts: AgentStatusParts;
  readonly #owners: AgentOwners;
  /** By agent. */
  readonly #owned = new Map<string, Owned>();
  readonly #lines = new Map<string, Line>();
  /** What each connection spoke for, or is about to. */
  readonly #agents = new Map<string, Set<string>>();
  /** Agents whose connections vanished: all those of this node that may be the owner. */
  readonly #vanished = new Map<string, Set<string>>();
  readonly #reporting = new Gathered(() => this.#reportAll());
  readonly #restoring = new Gathered(() => this.#restoreAll());
  readonly #looking: Gathered<Awaited<ReturnType<Nodes['list']>>>;
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(parts: AgentStatusParts) {
    this.#parts = parts;
    this.#owners = new AgentOwners(parts);
    this.#looking = new Gathered(() => parts.nodes.list());
  }

  start(): void {
    this.#later();
  }

  /** What could not be reported is for the others. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    for (const connection of this.#agents.keys()) this.gone(connection);
    await this.#reporting.ask();
  }

  /** Like any append, and in the order in which one connection asks. */
  publish(reporter: Reporter, agent: string, event: Append): Promise<Result<Appended>> {
    const owned = this.#lines.has(agent) ? undefined : this.#ownedBy(reporter, agent);
    if (owned) return this.#append(owned, reporter, agent, event);
    return new Promise((resolve) => this.#lineOf(agent).waiting.push({ reporter, event, resolve }));
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
    const isGone = async (by: string): Promise<Result<boolean>> => {
      if (!by.startsWith(`${node}/`)) return ok(false);
      const listed = await this.#looking.ask();
      if (!listed.ok) return listed;
      return listed.value.some((alive) => alive.node === node) ? fail('conflict', 'the node is back') : ok(true);
    };
    return this.#owners.reportGone(agent, { isGone, mayReturn: true });
  }

  /** Only what is certain: whoever was out of sight may have been taken for dead, and the agent reported. */
  #ownedBy({ id }: Reporter, agent: string): Owned | undefined {
    const owned = this.#owned.get(agent);
    if (owned?.connection !== id || owned.at < this.#parts.nodes.heldSince) return undefined;
    return this.#parts.clock.now() - owned.at < this.#parts.metaTtlMs ? owned : undefined;
  }

  async #append(owned: Owned, reporter: Reporter, agent: string, event: Append): Promise<Result<Appended>> {
    const appending = this.#parts.engine.log.append({ ...event, fence: owned.title.fence });
    owned.latest = appending;
    const done = await appending;
    if (done.ok || done.code !== 'conflict') return done;
    // Somebody elsewhere has taken over.
    owned.at = never;
    return new Promise((resolve) => this.#lineOf(agent).refused.push({ reporter, event, resolve }));
  }

  #lineOf(agent: string, first?: () => Promise<void>): Line {
    let line = this.#lines.get(agent);
    if (!line) {
      const asks = { refused: [], waiting: [] };
      line = { ...asks, served: this.#serve(agent, asks, first) };
      this.#lines.set(agent, line);
    }
    return line;
  }

  async #serve(agent: string, line: Omit<Line, 'served'>, first?: () => Promise<void>): Promise<void> {
    await this.#quiet(agent);
    await first?.();
    while (line.refused.length + line.waiting.length > 0) {
      const head = line.refused.length === 0 ? line.waiting[0] : undefined;
      // What is under way may be refused as well, and had been asked before all that waits.
      if (!head || !this.#ownedBy(head.reporter, agent)) await this.#quiet(agent);
      const { reporter, event, resolve } = must(line.refused.shift() ?? line.waiting.shift());
      const owned = this.#ownedBy(reporter, agent);
      resolve(owned ? this.#append(owned, reporter, agent, event) : await this.#take(reporter, agent, event));
    }
    this.#lines.delete(agent);
    this.#tidy(agent);
  }

  /** Resolves when all that was appended here has its answer. */
  async #quiet(agent: string): Promise<void> {
    await this.#owned.get(agent)?.latest;
  }

  async #take(reporter: Reporter, agent: string, event: Append): Promise<Result<Appended>> {
    const { id } = reporter;
    const own = this.#agents.get(id) ?? new Set();
    if (own.size >= mostAgents && !own.has(agent)) {
      return fail('quota_exceeded', `a connection may report the status of ${mostAgents} agents`);
    }
    this.#agents.set(id, own.add(agent));
    const at = this.#parts.clock.now();
    const noted = await this.#parts.remains.note('agent', agent);
    const before = this.#owned.get(agent);
    const taken = noted.ok ? await this.#owners.take(this.#ownerName(id), event, before?.title) : noted;
    if (taken.ok) this.#own(agent, id, taken.value.title, at);
    // It may have happened all the same: the next look finds out which connection is the owner.
    else if (noted.ok) this.#own(agent, before?.connection ?? id, before?.title ?? untitled, never);
    // What it had sent before it ended counts, and so does its end.
    if (reporter.closing) this.gone(id);
    return taken.ok ? ok(taken.value.appended) : taken;
  }

  #own(agent: string, connection: string, title: Title, at: number): void {
    this.#owned.set(agent, { connection, title, at, latest: undefined });
  }

  #vanish(agent: string, owner: string): void {
    const gone = this.#vanished.get(agent) ?? new Set();
    this.#vanished.set(agent, gone.add(owner));
  }

  #ownerName(connection: string): string {
    return `${this.#parts.node}/${connection}`;
  }

  #later(): void {
    this.#cancel = this.#parts.clock.later(lookMs, () => {
      if (this.#vanished.size > 0) void this.#reporting.ask();
      if (this.#owned.size > 0 && this.#restoring.idle) void this.#restoring.ask();
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
    await this.#lines.get(agent)?.served;
    await this.#quiet(agent);
    const isGone = (by: string): Promise<Result<boolean>> => Promise.resolve(ok(gone.has(by)));
    const reported = await this.#owners.reportGone(agent, { isGone, mayReturn: false });
    if (!reported.ok) {
      for (const owner of gone) this.#vanish(agent, owner);
      return;
    }
    const owned = this.#owned.get(agent);
    if (owned && gone.has(this.#ownerName(owned.connection))) this.#owned.delete(agent);
    this.#tidy(agent);
  }

  /** What no connection here may be the owner of needs nobody to look after it. */
  #tidy(agent: string): void {
    const wanted = this.#owned.has(agent) || this.#lines.has(agent) || this.#vanished.has(agent);
    if (!wanted) this.#parts.remains.erase('agent', agent);
  }

  /**
   * An agent that has nothing new to say would stay offline for good, were it reported while this node was out of
   * sight. What the store does not take now waits for the next look.
   */
  async #restoreAll(): Promise<void> {
    const { heldSince } = this.#parts.nodes;
    if (heldSince === Number.POSITIVE_INFINITY) return;
    const doubtful = [...this.#owned].filter(([, { at }]) => at < heldSince);
    for (const some of portions(doubtful, atOnce)) {
      const restored = await Promise.all(some.map(([agent]) => this.#restore(agent)));
      if (restored.includes(false)) return;
    }
  }

  /** False when the store did not take it. */
  async #restore(agent: string): Promise<boolean> {
    // Whoever is waiting to be served takes over anew.
    if (this.#lines.has(agent) || !this.#owned.has(agent)) return true;
    let done = true;
    const line = this.#lineOf(agent, async () => {
      done = await this.#restoreNow(agent);
    });
    await line.served;
    return done;
  }

  async #restoreNow(agent: string): Promise<boolean> {
    const { node, clock, remains } = this.#parts;
    const at = clock.now();
    const noted = await remains.note('agent', agent);
    if (!noted.ok) return false;
    const connectionOf = (by: string): string => by.slice(node.length + 1);
    // One whose connection has ended is about to be reported.
    const isOurs = (by: string): boolean =>
      by.startsWith(`${node}/`) && this.#agents.get(connectionOf(by))?.has(agent) === true;
    const restored = await this.#owners.restore(agent, isOurs);
    if (!restored.ok) return false;
    if (restored.value) this.#own(agent, connectionOf(restored.value.by), restored.value.title, at);
    else this.#owned.delete(agent);
    return true;
  }
}
