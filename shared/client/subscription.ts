import type { Entry, SubscribedInfo } from './entry.ts';
import type { Emitter } from './emitter.ts';
import type { AgentwireError } from './errors.ts';
import { EventQueue } from './event-queue.ts';
import type { AgentwireEvent } from './events.ts';
import type { Handler } from './handlers.ts';

/** What one call of `subscribe` made; several of the same string share what the server knows of it. */
export interface Subscription<Data = unknown> extends AsyncIterable<AgentwireEvent<Data>, undefined> {
  readonly topic: string;
  readonly pattern: boolean;
  /** The head of a topic when the server answered, and whether nothing since the position asked for was missing. */
  readonly epoch?: string;
  readonly seq?: number;
  readonly recovered?: boolean;
  /** No handler of this call is called any more, its loop ends, and with the last such call the server is told. */
  unsubscribe(): void;
}

/** As the promise of a subscription it resolves when the server has answered; as an iterable it may be looped over at once. */
export type Subscribing<Data = unknown> = Promise<Subscription<Data>> & AsyncIterable<AgentwireEvent<Data>, undefined>;

interface Ports {
  readonly emitter: Emitter;
  /** Events that may wait for a loop. */
  readonly buffer: number;
  release(entry: Entry): void;
}

export function subscribeTo<Data>(
  entry: Entry,
  handler: Handler<AgentwireEvent> | undefined,
  ports: Ports,
): Subscribing<Data> {
  const queue = new EventQueue(ports.buffer);
  const remove = entry.handlers.add(handler ?? ((event) => announce(queue.push(event), ports.emitter)));
  let over = false;
  const ended = (error: AgentwireError | undefined): void => {
    over = true;
    remove();
    entry.enders.delete(ended);
    queue.end(error);
  };
  entry.enders.add(ended);
  const unsubscribe = (): void => {
    if (over) return;
    ended(undefined);
    ports.release(entry);
  };
  const iterate = (): AsyncIterator<AgentwireEvent<Data>, undefined> => {
    queue.begin();
    return {
      next: () => queue.next() as Promise<IteratorResult<AgentwireEvent<Data>, undefined>>,
      return() {
        unsubscribe();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  };
  const promise = new Promise<SubscribedInfo>((resolve, reject) => {
    if (entry.info && entry.established) resolve(entry.info);
    else entry.waiters.push({ resolve, reject });
  }).then(({ pattern, epoch, seq, recovered }): Subscription<Data> => ({
    topic: entry.name,
    pattern,
    ...(epoch === undefined ? {} : { epoch }),
    ...(seq === undefined ? {} : { seq }),
    ...(recovered === undefined ? {} : { recovered }),
    unsubscribe,
    [Symbol.asyncIterator]: iterate,
  }));
  return Object.assign(promise, {
    [Symbol.asyncIterator]: () => {
      // The loop is told of a refusal; nobody may be waiting for the promise itself.
      promise.catch(() => {});
      return iterate();
    },
  });
}

function announce(lost: AgentwireEvent | undefined, emitter: Emitter): void {
  if (!lost) return;
  const { topic, seq } = lost;
  emitter.emit('dropped', { topic, from: seq, to: seq, count: 1, where: 'iterator' });
}

/** A call that never became one. */
export function refusedSubscription(error: AgentwireError): Subscribing<never> {
  const promise = Promise.reject<Subscription<never>>(error);
  return Object.assign(promise, {
    [Symbol.asyncIterator]: () => ({ next: () => promise as Promise<never> }),
  });
}
