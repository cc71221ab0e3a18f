import { isPattern } from '../../../shared/topics/grammar.ts';
import type { Cursor } from './cursor.ts';
import type { Format } from './format.ts';
import type { Owed } from './owed.ts';
import type { Socket } from './ports.ts';

/** The hub's side of a connection. There may be 100,000 of them, so it holds what it must and no queue of events. */
export class Subscriber {
  readonly socket: Socket;
  readonly format: Format;
  readonly subscriptions = new Map<string, Subscription>();
  /** Of its subscriptions those that it did not ask for itself: each is to a run, and ends with it. */
  attached: Set<string> | undefined = undefined;
  /** Attachments that it was promised, and that are not made yet. */
  owed: Owed | undefined = undefined;
  /** Topics of runs that it is starting, or was promised: where the ring stood before there was anything on them. */
  expected: Map<string, number> | undefined = undefined;
  /** Pairs of its subscriptions that can match the same topic; with any, it is sent to one by one. */
  overlaps = 0;
  /** Where it stands while it is not on the fast lane. */
  cursor: Cursor | undefined = undefined;
  /** How it rides on the fast lane. For the rest of a turn it may ride and be behind: what the lane lost is known first. */
  lane: 'none' | 'native' | 'direct' = 'none';
  /** The last entry sent to it one by one: several of its subscriptions may name the same. */
  stamp = -1;
  /** Answers that the socket refused, in order. Nothing else is sent before them. */
  outbox: Uint8Array[] | undefined = undefined;
  closed = false;

  constructor(socket: Socket, format: Format) {
    this.socket = socket;
    this.format = format;
  }

  /** How many subscriptions it asked for itself; the others count towards no limit. */
  get asked(): number {
    return this.subscriptions.size - (this.attached?.size ?? 0);
  }

  /** Native publish may have gathered something for it in this turn, whose fate a flush tells. */
  get gathers(): boolean {
    return this.lane === 'native' && this.subscriptions.size > 0;
  }

  askedFor(name: string): boolean {
    return this.subscriptions.has(name) && !this.attached?.has(name);
  }

  /** All that is held for it, and is not any more. */
  leaveAll(): string[] {
    const names = [...this.subscriptions.keys(), ...(this.expected?.keys() ?? [])];
    this.subscriptions.clear();
    this.expected = undefined;
    return names;
  }

  /** One of its subscriptions is an attachment from now on. */
  attach(name: string): void {
    const subscription = this.subscriptions.get(name);
    if (!subscription) return;
    (this.attached ??= new Set()).add(name);
    (subscription.attached ??= new Set()).add(this);
  }

  /** And an ordinary one again. */
  keep(name: string): void {
    if (!this.attached?.delete(name)) return;
    if (this.attached.size === 0) this.attached = undefined;
    const subscription = this.subscriptions.get(name);
    subscription?.attached?.delete(this);
    if (subscription?.attached?.size === 0) subscription.attached = undefined;
  }
}

/** One topic or pattern that somebody on this node subscribed to: who is on its fast lane, and who is sent to. */
export class Subscription {
  readonly name: string;
  readonly pattern: boolean;
  /** Only this node has events of it, by `announce`: the store is not asked for any. */
  readonly local: boolean;
  /** Connections that hold it or are about to: the node takes the topic's events while there is one. */
  holders = 0;
  /** For a pattern: from this time of the store on, every matching event matters. Unknown while the first subscribe is under way. */
  since = Number.POSITIVE_INFINITY;
  /** Live connections on native publish, by format: where there is none, nothing is encoded. */
  readonly riders: number[] = [];
  /** Live connections that are sent to one by one. */
  direct: Set<Subscriber> | undefined;
  /** Connections that are attached by it, live or not: none but for a run's topic. */
  attached: Set<Subscriber> | undefined;
  readonly #natives: string[] = [];

  constructor(name: string) {
    this.name = name;
    this.pattern = isPattern(name);
    this.local = name.startsWith('$node.');
  }

  native(format: Format): string {
    return (this.#natives[format.index] ??= `${format.name} ${this.name}`);
  }
}
