import type { Since } from '../protocol/subscribe.ts';
import { isPattern } from '../topics/grammar.ts';
import type { AgentwireError } from './errors.ts';
import type { AgentwireEvent } from './events.ts';
import { HandlerList } from './handlers.ts';

/** What the server said of a subscription when it was last made. */
export interface SubscribedInfo {
  readonly pattern: boolean;
  /** The head of a topic at that time. */
  readonly epoch?: string;
  readonly seq?: number;
  readonly recovered?: boolean;
}

export interface Waiter {
  resolve(info: SubscribedInfo): void;
  reject(error: AgentwireError): void;
}

/** One topic or pattern that the application has subscribed to, by however many calls. */
export class Entry {
  readonly name: string;
  readonly pattern: boolean;
  readonly handlers = new HandlerList<AgentwireEvent>();
  /** Told when the server takes the subscription away, or the client ends. */
  readonly enders = new Set<(error: AgentwireError | undefined) => void>();
  /** Calls of `subscribe` that have not been undone. */
  holders = 0;
  waiters: Waiter[] = [];
  /** Where to begin, for as long as no position says it better. */
  since: Since;
  /** Of a pattern: every event from this time on in a topic without a position is still to come. */
  time = 0;
  /** Topics had to be forgotten, so that the way back may miss something. */
  forgot = false;
  /** A request for it is under way, or was answered, on the present connection. */
  asked = false;
  /** Refused together with others: asked for by itself, it is seen which of them is meant. */
  alone = false;
  /** The present connection has it. What matches before the answer came belongs to something older. */
  active = false;
  /** It was answered on some connection, so that what the application saw counts. */
  established = false;
  removed = false;
  info: SubscribedInfo | undefined;

  constructor(name: string, since: Since) {
    this.name = name;
    this.pattern = isPattern(name);
    this.since = since;
  }

  end(error: AgentwireError | undefined): void {
    this.removed = true;
    this.active = false;
    for (const ender of this.enders) ender(error);
  }
}
