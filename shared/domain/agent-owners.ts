import type { Clock } from '../base/clock.ts';
import { must } from '../base/assert.ts';
import { fail, ok } from '../base/errors.ts';
import type { Result } from '../base/errors.ts';
import type { Append, Appended, Change, Engine, Stored } from '../engine/engine.ts';
import type { AgentStatus } from '../protocol/well-known.ts';
import { eventBody } from '../wire/event-frame.ts';
import type { EventFields } from '../wire/event-frame.ts';
import { compareAndSet } from './compare-and-set.ts';
import type { Decided } from './compare-and-set.ts';

const key = 'owner';
/** Each time another connection was quicker. */
const tries = 20;
/**
 * Takeovers under way: each is a call of its own among those that append, and takes a turn from all of them. After a
 * restart thousands of agents come at once, and the publishes of others are not to wait for them.
 */
const mostAtOnce = 16;

export interface AgentOwnersParts {
  readonly engine: Pick<Engine, 'log' | 'records'>;
  readonly clock: Clock;
  /** How long a numbering outlives its events. */
  readonly metaTtlMs: number;
}

/** Whose an agent's status is, as it stands in the home of its topic. */
interface Owner {
  readonly by: string;
  /** Of each append of the owner's: the log refuses one of whoever was the owner before. */
  readonly fence: number;
  /** It vanished, and was reported. */
  readonly gone?: true;
  /** What it had said last, where it may have been taken for dead and come back. */
  readonly last?: string;
}

/** What an owner knows of its record. */
export interface Title {
  readonly rev: number;
  readonly fence: number;
}

/** Of one that has never been the owner, as far as it knows. */
export const untitled: Title = { rev: 0, fence: 0 };

export interface Restored {
  readonly by: string;
  readonly title: Title;
}

/** Whether an owner has vanished, and whether it may come back all the same. */
export interface Judge {
  readonly isGone: (by: string) => Promise<Result<boolean>>;
  readonly mayReturn: boolean;
}

/**
 * Who speaks for an agent. The record of it and the events that go with a change of hands are one commit. A fence is
 * the time in ms, or one more than the last where that is higher: so it goes on to grow where a record has run out.
 */
export class AgentOwners {
  readonly #parts: AgentOwnersParts;
  /** Those that wait for their turn: no more than requests that are under way. */
  readonly #waiting: (() => void)[] = [];
  #taking = 0;

  constructor(parts: AgentOwnersParts) {
    this.#parts = parts;
  }

  /** Appends, and is the owner from there on. `title` is what it had, as far as it knows. */
  async take(by: string, event: Append, title = untitled): Promise<Result<{ title: Title; appended: Appended }>> {
    const { records } = this.#parts.engine;
    let { rev, fence } = title;
    for (let tried = 0; tried < tries; tried += 1) {
      const next = this.#fenceAfter(fence);
      const done = await this.#inTurn(() =>
        records.commit(event.topic, {
          expect: [{ key, rev }],
          put: [this.#put({ by, fence: next })],
          append: [{ ...event, fence: next }],
        }),
      );
      if (done.ok) return ok({ title: { rev: rev + 1, fence: next }, appended: must(done.value.appended[0]) });
      if (done.code !== 'conflict') return done;
      const read = await records.read(event.topic, [key]);
      if (!read.ok) return read;
      rev = read.value[0]?.rev ?? 0;
      fence = ownerIn(read.value[0])?.fence ?? 0;
    }
    return fail('busy', 'too many report the status of this agent at once');
  }

  /** Says that the agent is offline if its owner is gone: once, whoever tries. */
  reportGone(agent: string, { isGone, mayReturn }: Judge): Promise<Result<void>> {
    return this.#change(agent, async (stored) => {
      const owner = ownerIn(stored);
      if (!owner || owner.gone) return ok({ value: undefined });
      // Asked when the record has been read: one that comes back from then on writes it anew.
      const gone = await isGone(owner.by);
      if (!gone.ok) return gone;
      if (!gone.value) return ok({ value: undefined });
      const last = await this.#lastOf(agent);
      if (!last.ok) return last;
      const fence = this.#fenceAfter(owner.fence);
      const left: Owner = { by: owner.by, fence, gone: true };
      if (isOffline(last.value)) return ok({ change: { put: [this.#put(left)] }, value: undefined });
      const kept = mayReturn && last.value !== undefined ? { ...left, last: last.value } : left;
      return ok({ change: { put: [this.#put(kept)], append: [this.#offline(agent, fence)] }, value: undefined });
    });
  }

  /**
   * For an owner that may have been taken for dead: it is the owner again, and what it had said last is said again if
   * `offline` was reported meanwhile. Nothing, where the owner is not one of ours.
   */
  restore(agent: string, isOurs: (by: string) => boolean): Promise<Result<Restored | undefined>> {
    return this.#change<Restored | undefined>(agent, async (stored) => {
      const owner = ownerIn(stored);
      if (!stored || !owner || !isOurs(owner.by)) return ok({ value: undefined });
      const { by } = owner;
      const fence = this.#fenceAfter(owner.fence);
      const put = [this.#put({ by, fence })];
      const value = { by, title: { rev: stored.rev + 1, fence } };
      if (owner.last === undefined) return ok({ change: { put }, value });
      const last = await this.#lastOf(agent);
      if (!last.ok) return last;
      // Somebody may have said something over HTTP, where nobody becomes the owner.
      const again = isOffline(last.value) ? bodyAgain(owner.last) : undefined;
      const append = again === undefined ? [] : [{ topic: statusTopic(agent), body: again, retain: true, fence }];
      return ok({ change: { put, append }, value });
    });
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    // Whoever ends hands its place on, so nobody overtakes.
    if (this.#taking >= mostAtOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#taking += 1;
    const result = await work();
    const next = this.#waiting.shift();
    if (next) next();
    else this.#taking -= 1;
    return result;
  }

  #change<T>(agent: string, decide: (stored: Stored | undefined) => Promise<Result<Decided<T>>>): Promise<Result<T>> {
    return compareAndSet(this.#parts.engine.records, statusTopic(agent), [key], ([stored]) => decide(stored));
  }

  /** Twice as long as the numbering: half of it may pass before an owner that goes on to speak writes it again. */
  #put(owner: Owner): NonNullable<Change['put']>[number] {
    return { key, value: JSON.stringify(owner), ttlMs: 2 * this.#parts.metaTtlMs };
  }

  #fenceAfter(fence: number): number {
    return Math.max(this.#parts.clock.now(), fence + 1);
  }

  async #lastOf(agent: string): Promise<Result<string | undefined>> {
    const read = await this.#parts.engine.log.read(statusTopic(agent), { limit: 1, reverse: true });
    return read.ok ? ok(read.value.events[0]?.body) : read;
  }

  #offline(agentId: string, fence: number): Append {
    const status: AgentStatus = {
      agentId,
      status: 'offline',
      timestamp: this.#parts.clock.now(),
      reason: 'disconnected',
    };
    const body = eventBody(status);
    return { topic: statusTopic(agentId), body: must(body.ok ? body.value : undefined), retain: true, fence };
  }
}

function statusTopic(agent: string): string {
  return `agent.${agent}.status`;
}

function ownerIn(stored: Stored | undefined): Owner | undefined {
  return stored && (JSON.parse(stored.value) as Owner);
}

/** An append that carried no status is not as one expects, and none of our business. */
function dataOf(body: string): unknown {
  try {
    return (JSON.parse(body) as Partial<EventFields> | null)?.data;
  } catch {
    return undefined;
  }
}

function isOffline(body: string | undefined): boolean {
  if (body === undefined) return false;
  return (dataOf(body) as { status?: unknown } | null | undefined)?.status === 'offline';
}

/** The same status, as an event of its own: whoever looks for repeated ids must not take it for the first one. */
function bodyAgain(body: string): string | undefined {
  const again = eventBody(dataOf(body));
  return again.ok ? again.value : undefined;
}
