import { ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import type { Log } from '../../../shared/observe/log.ts';
import { eventFrameText } from '../../../shared/wire/event-frame.ts';
import { decodeUtf8, encodeUtf8 } from '../../../shared/wire/utf8.ts';
import { nextFormatIndex } from '../hub/format.ts';
import type { Format } from '../hub/format.ts';
import type { Hub } from '../hub/hub.ts';
import { unsubscribe } from '../hub/leaving.ts';
import type { Socket } from '../hub/ports.ts';
import type { Subscriber } from '../hub/subscriber.ts';
import { prepare } from '../hub/subscribing.ts';

type Heard = (data: unknown) => void;

interface Topic {
  readonly ready: Promise<Result<void>>;
  /** Who listens, and who is about to. */
  holders: number;
  readonly heard: Set<{ readonly tell: Heard }>;
}

/**
 * What the node itself listens to, for all who want to hear of it: one subscriber of the hub, whose socket is this. It
 * always has room, so it is never behind for being slow. Its events come once each and in order; a hole that the log
 * could not fill is passed over.
 */
export class Notices {
  readonly #hub: Hub;
  readonly #log: Log;
  readonly #topics = new Map<string, Topic>();
  readonly #subscriber: Subscriber;

  constructor(hub: Hub, log: Log) {
    this.#hub = hub;
    this.#log = log;
    this.#subscriber = hub.connect(new Ear((topic, data) => this.#tell(topic, data)), spelled);
  }

  /** Events from now on; gives back the way to stop. */
  async listen(topic: string, tell: Heard): Promise<Result<() => void>> {
    const { listeners, stop } = this.#hold(topic);
    const ready = await listeners.ready;
    if (!ready.ok) {
      stop();
      return ready;
    }
    const heard = { tell };
    listeners.heard.add(heard);
    return ok(() => {
      if (listeners.heard.delete(heard)) stop();
    });
  }

  #hold(topic: string): { listeners: Topic; stop: () => void } {
    const listeners = this.#topics.get(topic) ?? { ready: this.#subscribe(topic), holders: 0, heard: new Set() };
    this.#topics.set(topic, listeners);
    listeners.holders += 1;
    const stop = (): void => {
      listeners.holders -= 1;
      if (listeners.holders > 0) return;
      this.#topics.delete(topic);
      unsubscribe(this.#hub, this.#subscriber, [topic]);
    };
    return { listeners, stop };
  }

  async #subscribe(topic: string): Promise<Result<void>> {
    const prepared = await prepare(this.#hub, this.#subscriber, [{ topic, since: 'latest' }]);
    if (!prepared.ok) return prepared;
    prepared.value.attach();
    prepared.value.begin();
    return ok(undefined);
  }

  /** A listener that throws is a fault of its own: the others hear all the same. */
  #tell(topic: string, data: unknown): void {
    for (const { tell } of this.#topics.get(topic)?.heard ?? []) {
      try {
        tell(data);
      } catch (error) {
        this.#log.error('a notice could not be taken', { topic, error });
      }
    }
  }
}

/** An event as its frame in JSON. Nobody needs to be told here of what is missing. */
const spelled: Format = {
  index: nextFormatIndex(),
  name: 'notices',
  binary: false,
  encode: (entry) => (entry.kind === 'event' ? encodeUtf8(eventFrameText(entry)) : null),
};

class Ear implements Socket {
  readonly native = false;
  readonly #tell: (topic: string, data: unknown) => void;

  constructor(tell: (topic: string, data: unknown) => void) {
    this.#tell = tell;
  }

  send(frame: Uint8Array): boolean {
    const { topic, data } = JSON.parse(decodeUtf8(frame)) as { topic: string; data: unknown };
    this.#tell(topic, data);
    return true;
  }

  buffered(): number {
    return 0;
  }

  flush(): boolean {
    return true;
  }

  cork(work: () => void): void {
    work();
  }

  subscribe(): void {}
  unsubscribe(): void {}
  close(): void {}
}
