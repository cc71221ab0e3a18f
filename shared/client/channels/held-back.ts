import type { Clock } from '../../base/clock.ts';

/** What a channel hears, as it was when it came. */
export interface Heard {
  readonly id: string;
  readonly kind: string;
  readonly data: unknown;
}

/** For listeners that may not be there yet, in one channel. More than that is told as it comes. */
const mostHeld = 10_000;
/** Of a subscription to several topics one may be granted, or have been there before, while another is refused for now. */
const longestHeldMs = 5000;

export interface Hold {
  /** The new subscription has brought something. What came while it was asked for came by older ones, and is not held. */
  readonly begin: () => void;
  readonly end: () => void;
}

/**
 * Keeps back what comes with a new subscription until whoever awaited it has had the time to listen: the answer and the
 * events behind it may be read in one turn, in which no promise goes on. What comes of one id stays in order.
 */
export class HeldBack {
  readonly #clock: Clock;
  readonly #tell: (heard: Heard) => void;
  readonly #holds = new Set<{ readonly id: string | undefined }>();
  #held: Heard[] = [];

  constructor(clock: Clock, tell: (heard: Heard) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** Of one id, or of all. Once: one that has ended, or was let go of, does not begin again. */
  hold(id?: string): Hold {
    const hold = { id };
    let over = false;
    let cancelTimer: (() => void) | undefined;
    const end = (): void => {
      over = true;
      cancelTimer?.();
      if (this.#holds.delete(hold)) this.#tellOn();
    };
    const begin = (): void => {
      if (over || cancelTimer) return;
      this.#holds.add(hold);
      cancelTimer = this.#clock.later(longestHeldMs, end);
    };
    return { begin, end };
  }

  take(heard: Heard): void {
    if (!this.#isHeld(heard.id)) return this.#tell(heard);
    this.#held.push(heard);
    if (this.#held.length < mostHeld) return;
    this.#holds.clear();
    this.#tellOn();
  }

  drop(): void {
    this.#holds.clear();
    this.#held = [];
  }

  #isHeld(of: string): boolean {
    for (const { id } of this.#holds) if (id === undefined || id === of) return true;
    return false;
  }

  /** A listener may subscribe, and by that hold back what is still to be told. */
  #tellOn(): void {
    const held = this.#held;
    this.#held = [];
    for (const heard of held) {
      if (this.#isHeld(heard.id)) this.#held.push(heard);
      else this.#tell(heard);
    }
  }
}
