import type { Clock } from '../base/clock.ts';
import { fail, ok } from '../base/errors.ts';
import type { Result } from '../base/errors.ts';
import type { LeaseHolder, Leases } from '../engine/engine.ts';
import { Gathered, portions } from './gathered.ts';
import { nodeLeaseMs } from './nodes.ts';
import type { Nodes } from './nodes.ts';

const lookMs = 2000;
/** Long enough for a cluster that is down over a holiday; what is left then is found by nobody. */
const keepMs = 7 * 24 * 3600 * 1000;
const rewriteMs = keepMs / 7;
const written = 500;
const cleanedAtOnce = 16;
/** The nodes that have left, or may leave, something behind. */
const authors = 'remains';

/** Members of a topic, by its name; the status of an agent, by its id. */
export type Kind = 'topic' | 'agent';

/** How what a dead node left behind is put in order. Each is asked by every node that notices, and more than once. */
export type Heirs = Readonly<Record<Kind, (name: string, node: string) => Promise<Result<void>>>>;

export interface RemainsParts {
  readonly leases: Leases;
  readonly clock: Clock;
  readonly nodes: Pick<Nodes, 'list' | 'heldSince'>;
  readonly node: string;
}

/**
 * What each node would leave behind is written down before it is done, so that the others can clean up after one that
 * was killed. All of them try. A node judges others only when it has been there itself for a whole lease time: the
 * store may have been away for everybody.
 */
export class Remains {
  readonly #parts: RemainsParts;
  readonly #group: string;
  readonly #unwritten = new Set<string>();
  readonly #written = new Set<string>();
  readonly #erased = new Set<string>();
  readonly #writing = new Gathered(() => this.#write());
  /** When each dead node was first missed. */
  readonly #missed = new Map<string, number>();
  #writtenAt = 0;
  #heldSince = 0;
  /** What is noted again after the node was out of sight is told by it from what others may be cleaning up. */
  #edition = 0;
  #heirs: Heirs | undefined;
  #cancel: () => void = () => {};

  constructor(parts: RemainsParts) {
    this.#parts = parts;
    this.#group = groupOf(parts.node);
  }

  start(heirs: Heirs): void {
    this.#heirs = heirs;
    this.#later();
  }

  /** Whatever is noted still is for the others. */
  async stop(): Promise<void> {
    const { leases, node } = this.#parts;
    this.#heirs = undefined;
    this.#cancel();
    if (this.#unwritten.size + this.#written.size + this.#erased.size === 0) return;
    const done = await this.#writing.ask();
    if (done.ok && this.#written.size === 0) await leases.drop(authors, [node]);
  }

  /** Resolves when it stands there, so that what follows may be done. */
  note(kind: Kind, name: string): Promise<Result<void>> {
    const entry = `${kind} ${name}`;
    // Whoever was out of sight may find nothing of what it had noted.
    const seen = this.#parts.nodes.heldSince === this.#heldSince;
    if (seen && this.#written.has(entry)) return Promise.resolve(ok(undefined));
    this.#erased.delete(entry);
    this.#unwritten.add(entry);
    return this.#writing.ask();
  }

  /** Sooner or later: one that is noted in vain costs whoever looks after it a glance. */
  erase(kind: Kind, name: string): void {
    const entry = `${kind} ${name}`;
    const noted = this.#written.delete(entry);
    if (this.#unwritten.delete(entry) || noted) this.#erased.add(entry);
  }

  async #write(): Promise<Result<void>> {
    const { leases, clock, nodes, node } = this.#parts;
    const { heldSince } = nodes;
    const doubtful = heldSince !== this.#heldSince;
    if (doubtful) this.#edition += 1;
    const value = String(this.#edition);
    const held = await leases.hold(authors, [{ member: node, value }], keepMs);
    if (!held.ok) return held;
    const missed = doubtful || held.value.joined.length > 0;
    if (missed || clock.now() - this.#writtenAt > rewriteMs) {
      this.#heldSince = heldSince;
      this.#writtenAt = clock.now();
      for (const entry of this.#written) this.#unwritten.add(entry);
      this.#written.clear();
    }
    for (const some of portions(this.#unwritten, written)) {
      const members = some.map((member) => ({ member, value }));
      const done = await leases.hold(this.#group, members, keepMs);
      if (!done.ok) return done;
      // One that was erased meanwhile is dropped below.
      for (const entry of some) if (this.#unwritten.delete(entry)) this.#written.add(entry);
    }
    for (const some of portions(this.#erased, written)) {
      const done = await leases.drop(this.#group, some);
      if (!done.ok) return done;
      for (const entry of some) this.#erased.delete(entry);
    }
    return ok(undefined);
  }

  #later(): void {
    this.#cancel = this.#parts.clock.later(lookMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    if (this.#unwritten.size + this.#written.size + this.#erased.size > 0) await this.#writing.ask();
    const { clock, nodes } = this.#parts;
    if (clock.now() - nodes.heldSince >= nodeLeaseMs) await this.#judge();
    if (this.#heirs) this.#later();
  }

  async #judge(): Promise<void> {
    const { leases } = this.#parts;
    const [alive, left] = await Promise.all([this.#alive(), leases.list(authors)]);
    if (!alive || !left.ok) return;
    for (const author of left.value) if (!alive.has(author.member)) await this.#cleanUp(author);
  }

  /** Nobody can be judged where there is no answer. */
  async #alive(): Promise<ReadonlySet<string> | undefined> {
    const listed = await this.#parts.nodes.list();
    if (!listed.ok) return undefined;
    const alive = new Set(listed.value.map(({ node }) => node));
    for (const node of this.#missed.keys()) if (alive.has(node)) this.#missed.delete(node);
    return alive.has(this.#parts.node) ? alive : undefined;
  }

  async #cleanUp(author: LeaseHolder): Promise<void> {
    const { leases, clock } = this.#parts;
    const { member: node } = author;
    const now = clock.now();
    const since = this.#missed.get(node) ?? now;
    this.#missed.set(node, since);
    const left = await leases.list(groupOf(node));
    if (!left.ok) return;
    // Asked when the notes are read: a node that came back to write them is among the living by now.
    const alive = await this.#alive();
    if (!alive || alive.has(node)) return;
    const entries = left.value;
    // Not all in the same order: of several nodes that clean up, each is to find some done.
    const turned = Math.floor(Math.random() * entries.length);
    // A member's lease may have been renewed after the node's own, so the last of them runs out a lease time later.
    const over = now - since >= nodeLeaseMs;
    let whole = true;
    for (const some of portions([...entries.slice(turned), ...entries.slice(0, turned)], cleanedAtOnce)) {
      const done = await Promise.all(some.map(({ member }) => this.#hand(member, node)));
      const settled = some.filter(({ member }, i) => done[i]!.ok && (over || member.startsWith('agent ')));
      const forgotten = await leases.forget(groupOf(node), settled);
      whole &&= forgotten.ok && settled.length === some.length;
    }
    if (!whole) return;
    await leases.forget(authors, [author]);
    this.#missed.delete(node);
  }

  #hand(entry: string, node: string): Promise<Result<void>> {
    const space = entry.indexOf(' ');
    const heir = this.#heirs?.[entry.slice(0, space) as Kind];
    // A node that is being stopped leaves it to the others.
    return heir ? heir(entry.slice(space + 1), node) : Promise.resolve(fail('unavailable'));
  }
}

function groupOf(node: string): string {
  return `remains.${node}`;
}
