import { Connection } from './generator.ts';
import { agentwireFrames, eventBytes } from './targets.ts';
import { textFrame } from './ws-frames.ts';

const event = '{"type":"event","topic":"run.';
const ends = new Set(['completed', 'cancelled', 'failed']);

/** Told of each event in turn, with the time at which it came. */
export type OnRunEvent = (kind: string, at: number, run: FollowedRun) => void;

/** A run as its client sees it. */
export interface FollowedRun {
  readonly onEvent: OnRunEvent;
  invocation: string;
  /** Of the last event that came. */
  seq: number;
  attempt: number;
  /** How it ended, once it has. */
  end: string | undefined;
}

/** One connection that starts runs and gets their events, each of which it holds against the promise: once, in order, one end. */
export class RunClient {
  /** The first thing that went wrong. */
  fault: string | undefined;
  ended = 0;
  readonly #connection: Connection;
  readonly #asked = new Map<number, FollowedRun>();
  readonly #runs = new Map<string, FollowedRun>();
  #lastId = 0;

  private constructor(connection: Connection) {
    this.#connection = connection;
    connection.reader.onHead = (head) => this.#read(head.toString('latin1'));
  }

  static async open(port: number, path = agentwireFrames.path): Promise<RunClient> {
    return new RunClient(await Connection.open(port, path, eventBytes));
  }

  start(agent: string, input: unknown, onEvent: OnRunEvent): FollowedRun {
    const run: FollowedRun = { onEvent, invocation: '', seq: 0, attempt: 0, end: undefined };
    const id = ++this.#lastId;
    this.#asked.set(id, run);
    this.#send({ type: 'run', id, agent, input });
    return run;
  }

  cancel({ invocation }: FollowedRun): void {
    this.#send({ type: 'cancel', id: ++this.#lastId, invocation });
  }

  close(): void {
    this.#connection.close();
  }

  #send(frame: Record<string, unknown>): void {
    this.#connection.send(textFrame(JSON.stringify(frame)));
  }

  /** Read by hand, as far as a measurement needs it: see TopicReader. */
  #read(head: string): void {
    if (!head.startsWith(event)) return this.#answered(head);
    const at = performance.now();
    const run = this.#runs.get(head.slice(event.length, head.indexOf('"', event.length)));
    const kind = textBehind(head, '"kind":"');
    if (!run) return this.#wrong(`an event before its run: ${head}`);
    if (run.end !== undefined) return this.#wrong(`${kind} came after ${run.end}`);
    run.seq += 1;
    if (numberBehind(head, '"seq":') !== run.seq) return this.#wrong(`not event ${run.seq}: ${head}`);
    if (kind === 'started') run.attempt = numberBehind(head, '"attempt":');
    if (ends.has(kind)) {
      run.end = kind;
      this.ended += 1;
    }
    run.onEvent(kind, at, run);
  }

  #answered(head: string): void {
    if (!head.startsWith('{"type":"ok"')) return this.#wrong(head);
    const run = this.#asked.get(numberBehind(head, '"id":'));
    if (!run) return;
    this.#asked.delete(numberBehind(head, '"id":'));
    run.invocation = textBehind(head, '"invocation":"');
    this.#runs.set(run.invocation, run);
  }

  #wrong(what: string): void {
    this.fault ??= what;
  }
}

function textBehind(head: string, mark: string): string {
  const from = head.indexOf(mark) + mark.length;
  return head.slice(from, head.indexOf('"', from));
}

function numberBehind(head: string, mark: string): number {
  return Number.parseInt(head.slice(head.indexOf(mark) + mark.length), 10);
}
