const event = '{"type":"event","topic":"';
const zero = 0x30;

/** One subscriber of one topic, which holds every event against the numbering: the next one, and no other. */
export class TopicReader {
  /** Of the last event that came, or where this began. */
  seq: number;
  /** The first thing that went wrong. */
  fault: string | undefined;
  readonly #topic: string;
  readonly #beginning: Buffer;

  constructor(topic: string, seq = 0) {
    this.#topic = topic;
    this.seq = seq;
    this.#beginning = Buffer.from(`${event}${topic}","seq":`);
  }

  /** For `onHead`. Read by hand: a parser would cost more than all else that a client of a measurement does. */
  readonly read = (head: Buffer): void => {
    const { length } = this.#beginning;
    if (head.length < length || head.compare(this.#beginning, 0, length, 0, length) !== 0) return this.#answer(head);
    let seq = 0;
    for (let at = length; head[at]! >= zero && head[at]! <= zero + 9; at++) seq = seq * 10 + head[at]! - zero;
    if (seq !== this.seq + 1) this.fault ??= `${this.#topic}: event ${seq} came after ${this.seq}`;
    this.seq = seq;
  };

  #answer(head: Buffer): void {
    const text = head.toString();
    if (!text.startsWith('{"type":"ok"') || text.includes('"recovered":false')) this.fault ??= text;
  }
}
