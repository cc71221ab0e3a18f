import { realClock } from '../../base/clock.ts';
import type { Clock } from '../../base/clock.ts';
import type { PublishResult } from '../../protocol/publish.ts';
import { segmentFault } from '../../topics/grammar.ts';
import type { AgentwireClient, SubscribeOptions } from '../client.ts';
import { AgentwireError } from '../errors.ts';
import type { PublishOptions } from '../outgoing.ts';
import { ChannelEvents } from './channel-events.ts';
import { HeldBack } from './held-back.ts';
import type { Heard } from './held-back.ts';

export interface ChannelOptions {
  /** For tests. */
  clock?: Clock;
}

/** A topic, and where a subscription to it begins. */
export type Followed = readonly [topic: string, since?: SubscribeOptions['since']];

/** What a new subscriber gets of a topic that tells a state: how it stands. */
export const present = { last: 1 } as const;

interface Subscribed {
  readonly ready: Promise<void>;
  readonly undo: (() => void)[];
  /** Lets go of what was held back for it. */
  readonly tellOn: () => void;
}

/**
 * One family of the well-known topics (`agent.<id>.<kind>` and so on), heard through a client. It tells of every event of
 * the family that comes to the client, by whichever subscription; its own are made by the `subscribe…` methods.
 */
export abstract class ChannelClient<Events> extends ChannelEvents<Events> {
  protected readonly client: AgentwireClient;
  protected readonly clock: Clock;
  readonly #family: string;
  readonly #followed = new Map<string, Subscribed>();
  readonly #heldBack: HeldBack;
  readonly #off: () => void;
  #closed = false;

  constructor(client: AgentwireClient, family: string, { clock = realClock }: ChannelOptions) {
    super((error) => client.report(error));
    this.client = client;
    this.clock = clock;
    this.#family = family;
    this.#heldBack = new HeldBack(clock, (heard) => {
      if (!this.#closed) this.heard(heard);
    });
    this.#off = client.on(`${family}.*.*`, ({ topic, data }) => {
      const [, id = '', kind = ''] = topic.split('.');
      this.#heldBack.take({ id, kind, data });
    });
  }

  /** Ends what was subscribed here, and hears nothing any more. The client goes on. */
  close(): void {
    this.#closed = true;
    this.#off();
    this.#heldBack.drop();
    for (const id of this.#followed.keys()) this.unfollow(id);
  }

  /** As `subscribeTo…` of one, for each that there is. */
  subscribeToAll(): Promise<void> {
    return this.follow('*');
  }

  /** The ancestor's name for `subscribeToAll`. */
  subscribeAll(): Promise<void> {
    return this.subscribeToAll();
  }

  /** What follows the family, as in `*.status`. */
  subscribePattern(pattern: string): Promise<void> {
    const topic = `${this.#family}.${pattern}`;
    return this.follow(topic, [[topic]]);
  }

  /** Where one of them is heard, or all (`*`). */
  protected abstract topicsOf(id: string): readonly Followed[];

  /** `kind` is the last segment of the topic. */
  protected abstract heard(heard: Heard): void;

  /** Under the name, and for those who listen to this one only. */
  protected tell(name: keyof Events & string, id: string, data: unknown): void {
    this.emit(name, data);
    this.emit(`${name}:${id}`, data);
  }

  /** Of one. */
  protected followOne(id: string): Promise<void> {
    const fault = idFault(id);
    return fault ? Promise.reject(fault) : this.follow(id);
  }

  /** Of one id, or of all, or of whatever a topic names. Once, however often it is asked for. */
  protected follow(id: string, topics = this.topicsOf(id)): Promise<void> {
    if (this.#closed) return Promise.reject(new AgentwireError('conflict', 'the channel is closed'));
    const known = this.#followed.get(id);
    if (known) return known.ready;
    const { begin, end: tellOn } = this.#heldBack.hold(idFault(id) ? undefined : id);
    // Called before the channel hears the event of the client; it hears all its events there.
    const made = topics.map(([topic, since = 'latest']) => this.client.subscribe(topic, begin, { since }));
    const undo: (() => void)[] = [];
    const taken = made.map(async (subscribing) => {
      const subscription = await subscribing;
      undo.push(() => subscription.unsubscribe());
    });
    const followed: Subscribed = { ready: Promise.all(taken).then(() => {}), undo, tellOn };
    this.#followed.set(id, followed);
    // Promises go on before any timer: whoever awaits `ready` can listen to what came with it.
    followed.ready.then(() => this.clock.later(0, tellOn), tellOn);
    void Promise.allSettled(taken).then((outcomes) => {
      const whole = outcomes.every(({ status }) => status === 'fulfilled');
      if (whole && this.#followed.get(id) === followed) return;
      if (this.#followed.get(id) === followed) this.#followed.delete(id);
      for (const each of undo) each();
    });
    return followed.ready;
  }

  protected unfollow(id: string): void {
    const followed = this.#followed.get(id);
    this.#followed.delete(id);
    // Another subscription may have brought it as well.
    followed?.tellOn();
    for (const each of followed?.undo ?? []) each();
  }

  /** Those that were asked for one by one. */
  protected followedIds(): string[] {
    return [...this.#followed.keys()].filter((id) => !idFault(id));
  }

  protected publish(id: string, kind: string, data: object, options?: PublishOptions): Promise<PublishResult> {
    return publishTo(this.client, this.#family, id, kind, data, options);
  }
}

/** The same topics, for a publisher that reports for others and hears nothing itself. */
export abstract class ChannelServer {
  protected readonly client: AgentwireClient;
  readonly #family: string;

  constructor(client: AgentwireClient, family: string) {
    this.client = client;
    this.#family = family;
  }

  protected publish(id: string, kind: string, data: object, options?: PublishOptions): Promise<PublishResult> {
    return publishTo(this.client, this.#family, id, kind, data, options);
  }
}

function publishTo(
  client: AgentwireClient,
  family: string,
  id: string,
  kind: string,
  data: object,
  options?: PublishOptions,
): Promise<PublishResult> {
  const fault = idFault(id);
  return fault ? Promise.reject(fault) : client.publish(`${family}.${id}.${kind}`, stamped(data), options);
}

/** `timestamp` is by the publisher's own clock, where it says none. */
export function stamped<T extends object>(data: T): T {
  return { ...data, timestamp: ('timestamp' in data ? data.timestamp : undefined) ?? Date.now() };
}

/** An id that is no single segment would be another topic, or several: one that nobody checks and the channels do not hear. */
export function idFault(id: unknown): AgentwireError | undefined {
  const fault = typeof id === 'string' ? segmentFault(id) : 'it is no string';
  if (fault === undefined) return undefined;
  const shown = typeof id === 'string' ? JSON.stringify(id.slice(0, 80)) : typeof id;
  return new AgentwireError('bad_request', `${shown} cannot be an id: ${fault}`);
}

/** Of what the broker lets pass as it is. Without a value: whether there is one. */
export function hasField(data: unknown, field: string, value?: string): boolean {
  if (typeof data !== 'object' || data === null || !Object.hasOwn(data, field)) return false;
  const found = (data as Readonly<Record<string, unknown>>)[field];
  return value === undefined ? found !== null : found === value;
}
