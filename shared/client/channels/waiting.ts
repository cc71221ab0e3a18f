import type { Clock } from '../../base/clock.ts';
import type { AgentwireClient } from '../client.ts';
import { AgentwireError } from '../errors.ts';
import type { AgentwireEvent } from '../events.ts';
import type { Subscription } from '../subscription.ts';

/** What a look at how things stand found; nothing where what is waited for has not come yet. */
type Look<T> = () => Promise<T | undefined>;

interface Awaited<T> {
  readonly client: AgentwireClient;
  readonly clock: Clock;
  /** Where it is told, when it comes. */
  readonly topics: readonly string[];
  readonly hear: (event: AgentwireEvent) => T | undefined;
  /** Whether it has come already. */
  readonly look: Look<T>;
  /** Absent or 0: as long as it takes. */
  readonly timeoutMs: number | undefined;
  readonly tooLate: string;
}

/** After a refusal for now. */
const againMs = 500;
/** While the connection holds as many subscriptions as it may, it is looked now and then instead. */
const noRoomMs = 2000;

/**
 * Waits for something that comes once, or has come: subscribes first and then looks, so that nothing passes between, and
 * looks again whenever the client says that it may have missed something. Leaves no subscription and no timer behind.
 */
export function waitFor<T>(awaited: Awaited<T>): Promise<T> {
  const { client, clock, topics, hear, look, timeoutMs, tooLate } = awaited;
  const unfit = timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs >= 0);
  if (unfit)
    return Promise.reject(new AgentwireError('bad_request', 'the time to wait must be a number of ms, 0 or more'));
  return new Promise((resolve, reject) => {
    let over = false;
    let cancelLook: () => void = () => {};
    let cancelBegin: () => void = () => {};
    const undo: (() => void)[] = [];
    const end = (settle: () => void): void => {
      if (over) return;
      over = true;
      cancelLook();
      cancelBegin();
      for (const each of undo) each();
      settle();
    };
    const found = (value: T | undefined): void => {
      if (value !== undefined) end(() => resolve(value));
    };
    const failed = (error: unknown): void => end(() => reject(error as Error));
    const lookNow = (): void => {
      look().then(found, (error: unknown) => {
        if (over) return;
        if (!(error instanceof AgentwireError && error.retryable)) return failed(error);
        cancelLook();
        cancelLook = clock.later(againMs, lookNow);
      });
    };
    const missed = ({ topic }: { readonly topic: string }): void => {
      if (topics.includes(topic)) lookNow();
    };
    if (timeoutMs) {
      undo.push(clock.later(timeoutMs, () => failed(new AgentwireError('timeout', tooLate))));
    }
    undo.push(client.on('gap', missed), client.on('dropped', missed));
    const read = async (subscription: Subscription): Promise<void> => {
      for await (const event of subscription) found(hear(event));
      failed(new AgentwireError('unavailable', 'the client was closed before it came'));
    };
    const follow = async (topic: string): Promise<void> => {
      const subscription = await client.subscribe(topic);
      if (over) return subscription.unsubscribe();
      undo.push(() => subscription.unsubscribe());
      read(subscription).catch(failed);
    };
    const begin = async (left: readonly string[]): Promise<void> => {
      const full: string[] = [];
      const followed = left.map((topic) =>
        follow(topic).catch((error: unknown) => (isFull(error) ? full.push(topic) : failed(error))),
      );
      await Promise.all(followed);
      if (over) return;
      lookNow();
      if (full.length > 0) cancelBegin = clock.later(noRoomMs, () => void begin(full));
    };
    void begin(topics);
  });
}

function isFull(error: unknown): boolean {
  return error instanceof AgentwireError && error.code === 'quota_exceeded';
}
