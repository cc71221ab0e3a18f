import { join } from './client.ts';
import type { EventFrame, Format, Frame, TestClient } from './client.ts';

interface Position {
  seq: number;
  epoch: string;
}

interface Answer {
  time: number;
  subscriptions: { topic: string; pattern: boolean; epoch?: string; seq?: number; recovered?: boolean }[];
}

/**
 * A client as the protocol means it: it keeps the position of every topic and the time of the first answer, is cut, and
 * comes back by `since`, to whichever gateway. It notes down every hole and every repeat that it was not told of.
 */
export class Follower {
  readonly names: readonly string[];
  readonly format: Format;
  /** Data of the events of each topic, by seq - 1. */
  readonly seen = new Map<string, unknown[]>();
  readonly faults: string[] = [];
  /** Notices of lost events and of new numberings. */
  readonly notices: Frame[] = [];
  cuts = 0;
  client: TestClient | undefined;
  readonly #ports: readonly number[];
  readonly #positions: Record<string, Position> = {};
  #time = 0;

  /** `ports` may change while it follows: it is looked at each time. */
  constructor(ports: readonly number[], names: readonly string[], format: Format) {
    this.#ports = ports;
    this.names = names;
    this.format = format;
  }

  /** Connects and subscribes; the first time to what comes, later from where it stands. Again until a gateway lets it. */
  async connect(): Promise<void> {
    for (;;) {
      const port = this.#ports[Math.floor(Math.random() * this.#ports.length)]!;
      try {
        const client = await join(port, { format: this.format });
        this.client = client;
        client.onFrame = (frame) => this.#take(frame);
        const id = client.send({ type: 'subscribe', topics: this.names.map((topic) => this.#ask(topic)) });
        // Within the frame's own turn: the first event may follow in the same read.
        const answer = await client.answerTo(id);
        if (answer.type === 'ok') return;
        client.cut();
      } catch {
        // Cut in the middle of it, or no gateway there.
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The socket goes; what had not been read is as if it had never come. */
  async reconnect(): Promise<void> {
    this.cuts += 1;
    if (this.client) this.client.onFrame = () => {};
    this.client?.cut();
    await this.connect();
  }

  count(): number {
    let count = 0;
    for (const events of this.seen.values()) count += events.length;
    return count;
  }

  /** Comes back by itself when the gateway has gone. */
  async reach(count: number): Promise<void> {
    const what = `${this.names.join(' ')} in ${this.format}: ${count} events`;
    while (this.count() < count) {
      const client = this.client!;
      await client.until(() => this.count() >= count || client.closed !== undefined, what);
      if (client.closed) await this.reconnect();
    }
  }

  #ask(topic: string): string | { topic: string; since: unknown } {
    if (this.#time === 0) return topic;
    if (/[*#]/.test(topic)) return { topic, since: { positions: this.#positions, time: this.#time } };
    return { topic, since: this.#positions[topic] ?? { seq: 0, epoch: '' } };
  }

  #take(frame: Frame): void {
    if (frame.type === 'event') this.#event(frame as EventFrame);
    else if (frame.type === 'dropped') this.notices.push(frame);
    else if (frame.type === 'ok') this.#answer(frame['result'] as Answer);
  }

  #answer({ time, subscriptions }: Answer): void {
    const first = this.#time === 0;
    // Never moved on: an answer comes before what it replays, and a cut in between would lose that of a new topic.
    if (first) this.#time = time;
    for (const { topic, pattern, epoch = '', seq = 0, recovered } of subscriptions) {
      if (!first && recovered !== true) this.faults.push(`${topic} was not recovered`);
      if (first && !pattern) this.#positions[topic] = { epoch, seq };
    }
  }

  #event({ topic, seq, epoch, data }: EventFrame): void {
    const { seq: last, epoch: known } = this.#positions[topic] ?? { seq: 0, epoch: '' };
    if (known !== '' && known !== epoch) this.faults.push(`${topic} is numbered anew at ${seq}`);
    if (seq !== last + 1) this.faults.push(`${topic} goes from ${last} to ${seq} after ${this.cuts} cuts`);
    this.#positions[topic] = { seq, epoch };
    const events = this.seen.get(topic);
    if (events) events.push(data);
    else this.seen.set(topic, [data]);
  }
}
