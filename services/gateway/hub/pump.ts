import type { Clock } from '../../../shared/base/clock.ts';
import { waits } from './cursor.ts';
import type { Cursor, Position } from './cursor.ts';
import { Gap, Renumbered } from './entry.ts';
import { endsRun } from './endings.ts';
import { frameOf } from './format.ts';
import type { Entry, Event } from './entry.ts';
import type { Page, Pages } from './pages.ts';
import type { Defer, HubStats } from './ports.ts';
import type { Ring } from './ring.ts';
import type { Subscriber } from './subscriber.ts';

/** Entries that one connection, and all of them together, may look at before others get their turn. */
const slice = 256;
const turn = 2048;
/** Topics that one connection reads from the log before it goes on in the ring. */
const perRound = 64;

export interface PumpPorts {
  ring: Ring;
  pages: Pages;
  clock: Clock;
  stats: HubStats;
  defer: Defer;
  /** Events that a connection may lag behind per topic. */
  maxLag: number;
  highWater: number;
  matches(subscriber: Subscriber, topic: string): boolean;
  /** The last number of the topic that went into the ring, if the node follows it in this numbering. */
  headOf(topic: string, epoch: string): number | undefined;
  /** It was sent the last that is told of a run that it is attached to. */
  ended(subscriber: Subscriber, topic: string): void;
  /** It reached the head of the ring. */
  caughtUp(subscriber: Subscriber): void;
}

/**
 * Moves the connections that are behind: what each has room for, a slice at a time, until it stands at the head. Log and
 * ring take turns, so that whoever has something replayed to it without a break still hears of its other topics.
 */
export class Pump {
  readonly #ports: PumpPorts;
  #queue: Subscriber[] = [];
  #scheduled = false;
  /** Entries that the connection at work may still look at. */
  #left = 0;

  constructor(ports: PumpPorts) {
    this.#ports = ports;
  }

  wake(subscriber: Subscriber): void {
    const { cursor } = subscriber;
    if (!cursor || cursor.queued) return;
    cursor.queued = true;
    this.#queue.push(subscriber);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#ports.defer(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    const queue = this.#queue;
    this.#queue = [];
    let left = turn;
    let next = 0;
    while (next < queue.length && left > 0) {
      const subscriber = queue[next++]!;
      const { cursor } = subscriber;
      if (!cursor || subscriber.closed) continue;
      cursor.queued = false;
      this.#left = slice;
      subscriber.socket.cork(() => this.#advance(subscriber, cursor));
      left -= slice - this.#left;
    }
    if (next < queue.length) this.#queue = [...queue.slice(next), ...this.#queue];
    if (this.#queue.length > 0) this.#schedule();
  }

  /** Ends blocked (`drained` wakes it), waiting (the page wakes it), hushed (the answer wakes it), caught up, or queued again. */
  #advance(subscriber: Subscriber, cursor: Cursor): void {
    cursor.undecided = false;
    if (subscriber.outbox || cursor.waiting) return;
    while (this.#left > 0) {
      this.#left -= 1;
      if (subscriber.socket.buffered() > this.#ports.highWater) {
        this.#block(cursor);
        return;
      }
      cursor.blockedSince = 0;
      const topic = cursor.reading.at(-1);
      if (topic !== undefined && !cursor.mayRead(topic)) {
        // Meanwhile more of it was left to the log than came before the requests under way.
        cursor.toRead.push(topic);
        cursor.reading.pop();
      } else if (topic !== undefined) {
        if (!this.#readTopic(subscriber, cursor, topic)) return;
      } else if (cursor.n < cursor.upTo(this.#ports.ring.head)) {
        if (!this.#replayRing(subscriber, cursor)) return;
      } else if (this.#beginRound(cursor)) {
        continue;
      } else if (cursor.hushed) {
        return;
      } else {
        if (this.#sayAllLost(subscriber, cursor)) this.#ports.caughtUp(subscriber);
        return;
      }
    }
    this.wake(subscriber);
  }

  #block(cursor: Cursor): void {
    if (cursor.blockedSince === 0) cursor.blockedSince = this.#ports.clock.now();
  }

  /** The first pages are asked for together: one after the other, each would take a round trip of its own. */
  #beginRound(cursor: Cursor): boolean {
    const { pages } = this.#ports;
    const next = cursor.takeToRead(perRound);
    for (const topic of next) {
      const position = cursor.positions.get(topic);
      if (!position || position.seq >= position.until) continue;
      if (!pages.get(topic, position.epoch, position.seq)) pages.load(topic, position.seq, () => {});
    }
    cursor.reading = next.reverse();
    return next.length > 0;
  }

  /** Sends what the next page holds of the topic. False: it cannot go on now. */
  #readTopic(subscriber: Subscriber, cursor: Cursor, topic: string): boolean {
    const position = cursor.positions.get(topic);
    if (!position || position.seq >= position.until || !this.#ports.matches(subscriber, topic)) {
      cursor.reading.pop();
      if (position) cursor.wasRead(topic, position);
      return true;
    }
    this.#giveUpOldest(cursor, topic, position, position.seq);
    if (position.seq >= position.until) return true;
    const page = this.#ports.pages.get(topic, position.epoch, position.seq);
    if (page) return this.#sendPage(subscriber, cursor, topic, position, page);
    cursor.waiting = true;
    this.#ports.pages.load(topic, position.seq, (loaded, fresh) => {
      cursor.waiting = false;
      if (fresh && loaded.epoch !== position.epoch && loaded.epoch !== '') {
        cursor.renumber(topic, loaded.epoch);
        startAnew(position, loaded.epoch);
      } else if (fresh && loaded.upTo <= position.seq) {
        // Also where the topic is gone as a whole: whether anything follows, only its tail finds out.
        this.#skipTo(cursor, topic, position, position.until);
      }
      this.wake(subscriber);
    });
    return false;
  }

  #sendPage(subscriber: Subscriber, cursor: Cursor, topic: string, position: Position, page: Page): boolean {
    for (const event of page.events) {
      if (event.seq <= position.seq) continue;
      if (event.seq > position.until) break;
      if (event.seq > position.seq + 1) this.#skipTo(cursor, topic, position, event.seq - 1);
      if (!this.#send(subscriber, cursor, event)) return false;
      position.seq = event.seq;
      this.#ports.stats.replayedEvents += 1;
      if (subscriber.socket.buffered() > this.#ports.highWater) return true;
    }
    this.#skipTo(cursor, topic, position, Math.min(page.upTo, position.until));
    return true;
  }

  /** Sends the entry at `n`, if it is for this connection. False: there is no room for it. */
  #replayRing(subscriber: Subscriber, cursor: Cursor): boolean {
    const entry = this.#ports.ring.at(cursor.n);
    if (this.#ports.matches(subscriber, entry.topic)) {
      if (entry.kind === 'event') {
        if (entry.seq > 0 && !this.#replayEvent(subscriber, cursor, entry)) return false;
      } else if (entry.kind === 'gap') {
        this.#replayGap(cursor, entry);
      } else {
        const position = cursor.positions.get(entry.topic);
        if (position?.epoch !== entry.epoch) {
          cursor.renumber(entry.topic, entry.epoch);
          if (position) startAnew(position, entry.epoch);
        }
      }
    }
    cursor.n += 1;
    return true;
  }

  #replayEvent(subscriber: Subscriber, cursor: Cursor, event: Event): boolean {
    const position = cursor.positions.get(event.topic);
    // Of another numbering: what was left of the old one when the log already told of the new one. The notice covers it.
    if (position && (position.epoch !== event.epoch || event.seq <= position.seq)) return true;
    // What is before it has not been read yet.
    if (position && waits(position)) {
      cursor.leave(event.topic, position, event.seq);
      return true;
    }
    const newer = (this.#ports.headOf(event.topic, event.epoch) ?? 0) - event.seq;
    if (newer >= this.#ports.maxLag && event.seq > (position?.replay ?? 0)) {
      this.#lose(cursor, event.topic, event.seq, event.seq);
    } else if (!this.#send(subscriber, cursor, event)) return false;
    if (position) position.seq = event.seq;
    return true;
  }

  #replayGap(cursor: Cursor, gap: Gap): void {
    const position = cursor.positions.get(gap.topic);
    if (position && (position.epoch !== gap.epoch || gap.to <= position.seq)) return;
    if (position && waits(position)) {
      cursor.leave(gap.topic, position, gap.to);
      return;
    }
    this.#lose(cursor, gap.topic, Math.max(gap.from, (position?.seq ?? 0) + 1), gap.to);
    if (position) position.seq = gap.to;
  }

  /** The oldest waiting events go first, and it is said. What was asked for by `since` is not given up while the rest keeps within bounds. */
  #giveUpOldest(cursor: Cursor, topic: string, position: Position, from: number): void {
    const head = this.#ports.headOf(topic, position.epoch);
    if (head === undefined) return;
    const lag = head - Math.max(from, position.replay);
    if (lag > this.#ports.maxLag) this.#skipTo(cursor, topic, position, head - this.#ports.maxLag);
  }

  #skipTo(cursor: Cursor, topic: string, position: Position, seq: number): void {
    if (seq <= position.seq) return;
    this.#lose(cursor, topic, position.seq + 1, seq);
    position.seq = seq;
  }

  #lose(cursor: Cursor, topic: string, from: number, to: number): void {
    this.#ports.stats.eventsDropped += to - from + 1;
    cursor.lose(topic, from, to);
  }

  #send(subscriber: Subscriber, cursor: Cursor, event: Event): boolean {
    const { topic } = event;
    if (!this.#sayLost(subscriber, cursor, topic)) return false;
    if (!this.#write(subscriber, cursor, event)) return false;
    if (subscriber.attached?.has(topic) && endsRun(event.body)) this.#ports.ended(subscriber, topic);
    return true;
  }

  #sayAllLost(subscriber: Subscriber, cursor: Cursor): boolean {
    for (const topic of cursor.lost.keys()) {
      if (!this.#sayLost(subscriber, cursor, topic)) return false;
    }
    return true;
  }

  #sayLost(subscriber: Subscriber, cursor: Cursor, topic: string): boolean {
    const lost = cursor.lost.get(topic);
    if (!lost) return true;
    if (lost.epoch !== undefined) {
      if (!this.#write(subscriber, cursor, new Renumbered(topic, lost.epoch, 0))) return false;
      const gone = lost.epoch === '';
      lost.epoch = undefined;
      if (gone && subscriber.attached?.has(topic)) this.#ports.ended(subscriber, topic);
    }
    if (lost.to > 0 && !this.#write(subscriber, cursor, new Gap(topic, '', lost.from, lost.to))) return false;
    cursor.lost.delete(topic);
    return true;
  }

  #write(subscriber: Subscriber, cursor: Cursor, entry: Entry): boolean {
    this.#left -= 1;
    const frame = frameOf(entry, subscriber.format);
    if (!frame || subscriber.socket.send(frame, subscriber.format.binary)) return true;
    this.#block(cursor);
    return false;
  }
}

/** What it was reading is no more. What came since the change is in the ring; the notice says that something may be missing. */
function startAnew(position: Position, epoch: string): void {
  position.epoch = epoch;
  position.seq = 0;
  position.until = 0;
  position.next = undefined;
  position.replay = 0;
}
