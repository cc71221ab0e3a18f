import type { Result } from '../../../shared/base/errors.ts';
import type { WebSocketLike } from '../../../shared/client/socket.ts';
import { isPattern } from '../../../shared/topics/grammar.ts';
import { matches } from '../../../shared/topics/match.ts';
import { decodeJson } from '../../../shared/wire/json.ts';
import type { FakeLog, Kept } from './fake-log.ts';
import { FakeRuns, isEnd } from './fake-runs.ts';
import type { FakeRun } from './fake-runs.ts';

type Frame = Record<string, unknown>;
type Since =
  | string
  | { seq: number; epoch: string }
  | { time: number; positions?: Record<string, { seq: number; epoch: string }> };

const ofRuns = new Set(['attach', 'status', 'cancel', 'pause', 'resume', 'approve']);

/** What happens to requests at the store. */
export interface Mood {
  /** Publishes and subscribes are answered with this code. */
  refuse: string | undefined;
  /** Whether a publish that is refused was done all the same. */
  doneAnyway: () => boolean;
  tokens: Set<string> | undefined;
  forbidden: Set<string>;
  maxFrameBytes: number;
}

/**
 * A gateway as the protocol describes it, with a network of our own making: frames travel when they are told to, a cut
 * loses what has not arrived, answers overtake events, and events of different topics come in any order.
 */
export class FakeServer {
  readonly log: FakeLog;
  readonly runs: FakeRuns;
  readonly sockets: FakeSocket[] = [];
  readonly mood: Mood = {
    refuse: undefined,
    doneAnyway: () => false,
    tokens: undefined,
    forbidden: new Set(),
    maxFrameBytes: 1024 * 1024,
  };
  /** Sockets opened from now on are refused, as when the port is closed. */
  away = false;
  /** Publishes and runs of connections that are gone, which their gateway has yet to work off, in order. */
  readonly late: Frame[] = [];
  /** Requests that a test sees to itself, by type. */
  readonly answers = new Map<string, (frame: Frame) => Result<unknown>>();
  readonly WebSocket: new (url: string, protocols: string[]) => FakeSocket;

  constructor(log: FakeLog) {
    this.log = log;
    this.runs = new FakeRuns(log);
    this.WebSocket = FakeSocket.bind(null, this) as unknown as FakeServer['WebSocket'];
  }

  workOffLate(count: number): void {
    for (const frame of this.late.splice(0, count)) {
      if (frame['type'] === 'run') this.runs.start(frame);
      else this.log.append(frame['topic'] as string, frame['data'], frame['messageId'] as string);
    }
  }

  /** The one that is open or about to be. */
  get socket(): FakeSocket | undefined {
    return this.sockets.findLast((socket) => socket.state !== 'closed');
  }
}

export class FakeSocket implements WebSocketLike {
  binaryType = '';
  onopen: unknown;
  onmessage: unknown;
  onclose: unknown;
  onerror: unknown;
  state: 'connecting' | 'open' | 'closed' = 'connecting';
  readonly url: string;
  readonly protocols: string[];
  /** Frames on their way to the server, and all that arrived there. */
  readonly inbound: string[] = [];
  readonly received: Frame[] = [];
  /** Frames on their way to the client. */
  readonly outbound: Frame[] = [];
  /** Events that the server has not sent yet, by topic. */
  readonly behind = new Map<string, Frame[]>();
  readonly #server: FakeServer;
  readonly #subscriptions = new Set<string>();
  /** Topics of runs, until they end. */
  readonly #attached = new Set<string>();
  readonly #stopListening: () => void;
  #greeted = false;

  constructor(server: FakeServer, url: string, protocols: string[]) {
    this.#server = server;
    this.url = url;
    this.protocols = protocols;
    server.sockets.push(this);
    this.#stopListening = server.log.listen((event) => this.#live(event));
  }

  // --- the client's side ---

  send(data: string | Uint8Array): void {
    if (this.state === 'connecting') throw new Error('not open');
    if (this.state === 'open') this.inbound.push(data as string);
  }

  close(): void {
    this.#end();
  }

  // --- the network ---

  open(): void {
    if (this.state !== 'connecting') return;
    if (this.#server.away) {
      this.cut(1006);
      return;
    }
    this.state = 'open';
    (this.onopen as () => void)();
  }

  /** Gone, with all that has not arrived; or what was sent arrives yet, after a while. */
  cut(code = 1006, reason = '', arrivesLate = false): void {
    if (this.state === 'closed') return;
    for (const text of arrivesLate ? this.inbound : []) {
      const frame = JSON.parse(text) as Frame;
      const { type, messageId } = frame;
      if (type === 'run' || (type === 'publish' && messageId !== undefined)) this.#server.late.push(frame);
    }
    this.#end();
    (this.onclose as (event: object) => void)({ code, reason });
  }

  /** So many frames reach the server. */
  toServer(count = Number.POSITIVE_INFINITY): void {
    for (let left = count; left > 0 && this.state === 'open' && this.inbound.length > 0; left -= 1) {
      // Read as the server reads: what it would refuse must not get here.
      const decoded = decodeJson(this.inbound.shift()!);
      if (!decoded.ok) throw new Error(`the client sent a bad frame: ${decoded.message}`);
      const frame = decoded.value as Frame;
      this.received.push(frame);
      this.#take(frame);
    }
  }

  /** So many frames reach the client. */
  toClient(count = Number.POSITIVE_INFINITY): void {
    for (let left = count; left > 0 && this.state === 'open' && this.outbound.length > 0; left -= 1) {
      (this.onmessage as (event: object) => void)({ data: JSON.stringify(this.outbound.shift()) });
    }
  }

  /** The server sends the next event of one topic; which one, is for the test to say. */
  sendNext(choose: number): void {
    const topics = [...this.behind.keys()];
    const topic = topics[choose % Math.max(1, topics.length)];
    if (topic === undefined) return;
    const frames = this.behind.get(topic)!;
    const frame = frames.shift()!;
    this.outbound.push(frame);
    if (isEnd(frame['data'])) this.#attached.delete(topic);
    if (frames.length === 0) this.behind.delete(topic);
  }

  sendAll(): void {
    while (this.behind.size > 0) this.sendNext(0);
  }

  /** Too slow: the oldest event that waits goes, and a notice stands in its place. */
  dropOldest(choose: number): void {
    const topics = [...this.behind.keys()];
    const frames = this.behind.get(topics[choose % Math.max(1, topics.length)] ?? '');
    const first = frames?.[0];
    if (!frames || first?.['type'] !== 'event' || first['seq'] === 0) return;
    frames[0] = { type: 'dropped', topic: first['topic'], from: first['seq'], to: first['seq'], count: 1 };
  }

  push(frame: Frame): void {
    this.outbound.push(frame);
  }

  get subscriptions(): ReadonlySet<string> {
    return this.#subscriptions;
  }

  #end(): void {
    this.state = 'closed';
    this.#stopListening();
    this.inbound.length = 0;
    this.outbound.length = 0;
    this.behind.clear();
  }

  // --- the server's side ---

  #take(frame: Frame): void {
    const { mood, log } = this.#server;
    const { type, id } = frame;
    if (type === 'hello') return this.#hello(frame);
    if (!this.#greeted) return this.#fail(id, 'unauthenticated');
    if (type === 'ping') return void this.outbound.push({ type: 'pong', id, ts: log.clock.now() });
    if (type === 'unsubscribe') return this.#unsubscribe(frame['topics'] as string[], id);
    if (type === 'publish') return this.#publish(frame);
    if (type === 'run') return this.#run(frame);
    if (mood.refuse !== undefined) return this.#fail(id, mood.refuse);
    if (type === 'subscribe') return this.#subscribe(frame);
    if (type === 'echo') return this.#ok(id, frame['value']);
    if (type === 'history') return this.#history(frame);
    const answer = this.#server.answers.get(type as string)?.(frame);
    if (answer) return answer.ok ? this.#ok(id, answer.value) : this.#fail(id, answer.code);
    if (!ofRuns.has(type as string)) return this.#fail(id, 'unknown_type');
    const run = this.#server.runs.get(frame['invocation']);
    if (!run) return this.#fail(id, 'not_found');
    if (type === 'attach') return this.#attach(run, frame);
    const result = this.#server.runs.control(run, frame);
    if (result === undefined) this.#fail(id, 'conflict');
    else this.#ok(id, result);
  }

  #run(frame: Frame): void {
    const { mood, runs, log } = this.#server;
    const { id } = frame;
    if (mood.refuse !== undefined && !mood.doneAnyway()) return this.#fail(id, mood.refuse);
    if (mood.forbidden.has(String(frame['agent']))) return this.#fail(id, 'not_found');
    const { run, duplicate } = runs.start(frame);
    if (mood.refuse !== undefined) return this.#fail(id, mood.refuse);
    const { invocation, state } = run;
    this.#ok(id, { invocation, topic: run.topic, state, ...(duplicate ? { duplicate } : {}) });
    this.#follow(run.topic, log.head(run.topic).first - 1);
  }

  #attach({ invocation, topic, state }: FakeRun, { id, after = 0 }: Frame): void {
    this.#ok(id, { invocation, topic, state });
    this.#follow(topic, after as number);
  }

  /** As the hub does: what the connection is brought already is not replayed. */
  #follow(topic: string, after: number): void {
    const kept = this.#server.log.kept(topic);
    const replay = this.#wants(topic) ? [] : kept.filter(({ seq }) => seq > after).map(frameOf);
    if (replay.length > 0) this.#behindOf(topic).push(...replay);
    if (replay.length > 0 || !isEnd(kept.at(-1)?.data)) this.#attached.add(topic);
  }

  #history({ id, topic, after = 0, limit = 100, reverse }: Frame): void {
    const { log } = this.#server;
    const { epoch, seq } = log.head(topic as string);
    const kept = log.kept(topic as string).filter((event) => event.seq > (after as number));
    const events = (reverse ? kept.toReversed() : kept).slice(0, limit as number);
    this.#ok(id, { epoch, seq, events, more: kept.length > events.length });
  }

  #hello({ id, token }: Frame): void {
    const { mood, log } = this.#server;
    if (mood.tokens && !mood.tokens.has(String(token))) {
      this.#fail(id, 'unauthenticated');
      return;
    }
    this.#greeted = true;
    this.#ok(id, {
      version: 1,
      connection: `c${this.#server.sockets.length}`,
      node: 'fake',
      server: '0',
      time: log.clock.now(),
      heartbeat: { intervalMs: 25_000, timeoutMs: 60_000 },
      limits: { maxFrameBytes: mood.maxFrameBytes, maxSubscriptions: 1000, queue: 1000 },
      identity: 'somebody',
    });
  }

  #publish({ id, topic, data, messageId, ephemeral }: Frame): void {
    const { mood, log } = this.#server;
    const name = topic as string;
    if (mood.refuse !== undefined && !mood.doneAnyway()) return this.#fail(id, mood.refuse);
    if (ephemeral) {
      if (this.#wants(name)) this.#behindOf(name).push({ type: 'event', topic, seq: 0, ts: log.clock.now(), data });
      return this.#ok(id, { topic, seq: 0, epoch: '' });
    }
    const { event, duplicate } = log.append(name, data, messageId as string | undefined);
    if (mood.refuse !== undefined) return this.#fail(id, mood.refuse);
    this.#ok(id, { topic, seq: event.seq, epoch: event.epoch, ...(duplicate ? { duplicate } : {}) });
  }

  #subscribe({ id, topics }: Frame): void {
    const { log, mood } = this.#server;
    const asks = (topics as (string | { topic: string; since?: Since })[]).map((ask) =>
      typeof ask === 'string'
        ? { topic: ask, since: 'latest' as Since }
        : { topic: ask.topic, since: ask.since ?? 'latest' },
    );
    const refused = asks.find((ask) => mood.forbidden.has(ask.topic));
    if (refused) return this.#fail(id, 'forbidden');
    const fresh = asks.filter(({ topic }) => !this.#subscriptions.has(topic));
    const starts = new Map<string, number>();
    const recovered = new Map<string, boolean>();
    for (const { topic: name, since } of fresh) {
      if (since === 'latest') continue;
      recovered.set(name, true);
      const named = typeof since === 'object' && 'positions' in since ? Object.keys(since.positions ?? {}) : [];
      const candidates = isPattern(name) ? new Set([...named, ...log.topics.keys()]) : new Set([name]);
      for (const topic of candidates) {
        if (!matches(name, topic)) continue;
        const start = this.#startOf(topic, since);
        if (!start.recovered) recovered.set(name, false);
        if (!this.#wants(topic)) starts.set(topic, Math.min(starts.get(topic) ?? start.after, start.after));
      }
    }
    for (const { topic } of fresh) this.#subscriptions.add(topic);
    this.#ok(id, {
      time: log.clock.now(),
      subscriptions: asks.map(({ topic, since }) => {
        const known = since === 'latest' ? {} : { recovered: recovered.get(topic) ?? true };
        if (isPattern(topic)) return { topic, pattern: true, ...known };
        const { epoch, seq } = log.head(topic);
        const replay = since === 'latest' ? {} : { replay: starts.has(topic) ? seq - starts.get(topic)! : 0 };
        return { topic, pattern: false, epoch, seq, ...known, ...replay };
      }),
    });
    for (const [topic, after] of starts) {
      for (const event of log.kept(topic)) if (event.seq > after) this.#behindOf(topic).push(frameOf(event));
    }
  }

  #startOf(topic: string, since: Exclude<Since, 'latest'>): { after: number; recovered: boolean } {
    const { log } = this.#server;
    const { epoch, seq, first } = log.head(topic);
    const kept = first - 1;
    if (typeof since === 'string') return { after: kept, recovered: true };
    const point = 'seq' in since ? since : since.positions?.[topic];
    if (point) {
      const known = point.epoch === epoch || (point.epoch === '' && point.seq === 0);
      if (!known || point.seq > seq) return { after: kept, recovered: false };
      return { after: Math.max(point.seq, kept), recovered: point.seq >= kept };
    }
    const { last, time } = since as { last?: number; time: number };
    if (last !== undefined) return { after: Math.max(seq - last, kept), recovered: true };
    const found = log.kept(topic).find((event) => event.ts >= time);
    const before = found ? found.seq - 1 : seq;
    return { after: before, recovered: kept === 0 || before > kept };
  }

  #unsubscribe(topics: string[], id: unknown): void {
    for (const topic of topics) this.#subscriptions.delete(topic);
    for (const topic of topics) this.#attached.delete(topic);
    for (const topic of this.behind.keys()) if (!this.#wants(topic)) this.behind.delete(topic);
    this.#ok(id, { topics });
  }

  #live(event: Kept | { topic: string; renumbered: string }): void {
    if (!this.#wants(event.topic)) return;
    if ('seq' in event) this.#behindOf(event.topic).push(frameOf(event));
    else
      this.#behindOf(event.topic).push({
        type: 'dropped',
        topic: event.topic,
        epoch: event.renumbered,
        reason: 'epoch',
      });
    if ('renumbered' in event && event.renumbered === '') this.#attached.delete(event.topic);
  }

  #wants(topic: string): boolean {
    for (const name of this.#subscriptions) if (matches(name, topic)) return true;
    return this.#attached.has(topic);
  }

  #behindOf(topic: string): Frame[] {
    let frames = this.behind.get(topic);
    if (!frames) this.behind.set(topic, (frames = []));
    return frames;
  }

  #ok(id: unknown, result: unknown): void {
    if (id !== undefined) this.outbound.push({ type: 'ok', id, result });
  }

  #fail(id: unknown, code: string): void {
    this.outbound.push({ type: 'error', id, error: { code, message: `${code} it is`, retryable: false } });
  }
}

function frameOf({ topic, seq, epoch, ts, data, messageId }: Kept): Frame {
  return { type: 'event', topic, seq, epoch, ts, data, ...(messageId === undefined ? {} : { messageId }) };
}
