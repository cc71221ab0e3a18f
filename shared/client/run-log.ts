import type { AgentwireError } from './errors.ts';
import type { AgentwireEvent } from './events.ts';

/** More is with the server: a loop that is further behind reads its history. */
const kept = 1000;

/**
 * The newest events of one run, without a hole, for any number of loops. Each loop is a number into it, so that none costs
 * a queue, and one that is slow or comes late loses nothing that the server has kept.
 */
export class RunLog {
  /** By number modulo its size. */
  readonly #ring: AgentwireEvent[] = [];
  #epoch = '';
  /** From here to the head nothing is missing. */
  #first: number;
  #head: number;
  #over = false;
  #failure: AgentwireError | undefined;
  #waiting: (() => void)[] = [];

  /** What comes after this number is to come. */
  constructor(after: number) {
    this.#first = after + 1;
    this.#head = after;
  }

  /** Empty before it is known. */
  get epoch(): string {
    return this.#epoch;
  }

  /** The highest number known of. */
  get head(): number {
    return this.#head;
  }

  /** Nothing comes after the head. */
  get over(): boolean {
    return this.#over;
  }

  /** Why it is not told of any more, though it has not ended. */
  get failure(): AgentwireError | undefined {
    return this.#failure;
  }

  /** The number from which on all are here; one above the head if there are none. */
  get oldest(): number {
    return Math.max(this.#first, this.#head - kept + 1);
  }

  get(seq: number): AgentwireEvent | undefined {
    return seq >= this.oldest && seq <= this.#head ? this.#ring[seq % kept] : undefined;
  }

  /** An event that came; one that is known is passed over. */
  add(event: AgentwireEvent): void {
    const { seq, epoch = '' } = event;
    this.numberedBy(epoch);
    if (seq <= this.#head) return;
    if (seq > this.#head + 1) this.#first = seq;
    this.#put(event);
  }

  /** Whether the event of this number is one that is still to come. */
  awaits(epoch: string, seq: number): boolean {
    return seq > this.#head && (epoch === this.#epoch || this.#epoch === '');
  }

  /** The server's word on the head: what is between this and what came has to be read. */
  reached(epoch: string, seq: number): void {
    this.numberedBy(epoch);
    if (seq <= this.#head) return;
    this.#head = seq;
    this.#first = seq + 1;
    this.#changed();
  }

  /** In another numbering nothing has come yet. */
  numberedBy(epoch: string): void {
    if (epoch === this.#epoch || epoch === '') return;
    if (this.#epoch !== '') {
      this.#first = 1;
      this.#head = 0;
    }
    this.#epoch = epoch;
    this.#changed();
  }

  /** By the last event of all, however it became known. */
  end(event: AgentwireEvent): void {
    this.numberedBy(event.epoch ?? '');
    if (!this.get(event.seq)) {
      if (event.seq !== this.#head + 1) this.#first = event.seq;
      this.#put(event);
    }
    this.#over = true;
    this.#changed();
  }

  fail(error: AgentwireError): void {
    this.#failure = error;
    this.#changed();
  }

  /** Until there is more to say of it. */
  more(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #put(event: AgentwireEvent): void {
    this.#head = event.seq;
    this.#ring[event.seq % kept] = event;
    this.#changed();
  }

  #changed(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
