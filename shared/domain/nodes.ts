import type { Clock } from '../base/clock.ts';
import type { Result } from '../base/errors.ts';
import { ok } from '../base/errors.ts';
import type { Leases } from '../engine/engine.ts';

const group = 'nodes';
const announceMs = 2000;
/** Two announcements may be lost before a node counts as gone. */
export const nodeLeaseMs = 3 * announceMs;

/** What each node tells the others about itself. */
export interface NodeFigures {
  node: string;
  startedAt: number;
  connections: number;
  subscriptions: number;
  eventsPublished: number;
  eventsDelivered: number;
}

/** The nodes of the cluster, by leases: who does not announce itself any more is gone after a few seconds. */
export class Nodes {
  readonly #leases: Leases;
  readonly #clock: Clock;
  readonly #figures: () => NodeFigures;
  #cancel: () => void = () => {};
  #stopped = false;
  #heldAt = Number.NEGATIVE_INFINITY;
  #heldSince = Number.POSITIVE_INFINITY;

  constructor(leases: Leases, clock: Clock, figures: () => NodeFigures) {
    this.#leases = leases;
    this.#clock = clock;
    this.#figures = figures;
  }

  async start(): Promise<void> {
    await this.#announce();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#leases.drop(group, [this.#figures().node]);
  }

  /**
   * Since when nobody can have taken this node for dead, by its own clock. Not at all while that is in doubt: the store
   * is away, or the process stood still.
   */
  get heldSince(): number {
    return this.#clock.now() - this.#heldAt < nodeLeaseMs ? this.#heldSince : Number.POSITIVE_INFINITY;
  }

  async list(): Promise<Result<NodeFigures[]>> {
    const held = await this.#leases.list(group);
    return held.ok ? ok(held.value.map(({ value }) => JSON.parse(value) as NodeFigures)) : held;
  }

  /** A store that is away is told the next time. */
  async #announce(): Promise<void> {
    const figures = this.#figures();
    const asked = this.#clock.now();
    const held = await this.#leases.hold(
      group,
      [{ member: figures.node, value: JSON.stringify(figures) }],
      nodeLeaseMs,
    );
    if (held.ok) {
      // That it had to join again may have been told by an answer that was lost.
      const lapsed = asked - this.#heldAt >= nodeLeaseMs;
      if (lapsed || held.value.joined.length > 0) this.#heldSince = this.#clock.now();
      this.#heldAt = asked;
    }
    if (this.#stopped) return;
    this.#cancel = this.#clock.later(announceMs, () => void this.#announce());
  }
}
