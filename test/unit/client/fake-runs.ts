import type { RunEvent } from '../../../shared/protocol/run-events.ts';
import type { RunRecord, RunState } from '../../../shared/protocol/runs.ts';
import type { FakeLog } from './fake-log.ts';

type Frame = Record<string, unknown>;

/** A run as the store has it; what its agent does is for the test to say. */
export class FakeRun {
  readonly invocation: string;
  readonly topic: string;
  readonly asked: Frame;
  state: RunState = 'queued';
  result: unknown;
  /** Of its cancel. */
  reason: string | undefined;
  error: { code: string; message: string } | undefined;
  /** What was asked of it. */
  readonly controls: Frame[] = [];
  readonly #log: FakeLog;

  constructor(invocation: string, asked: Frame, log: FakeLog) {
    this.invocation = invocation;
    this.topic = `run.${invocation}`;
    this.asked = asked;
    this.#log = log;
    this.tell({ kind: 'queued' });
  }

  get over(): boolean {
    return this.state === 'completed' || this.state === 'cancelled' || this.state === 'failed';
  }

  tell(event: RunEvent): void {
    if (this.over) throw new Error('the topic is sealed');
    if (event.kind === 'started') this.state = 'running';
    if (event.kind === 'completed') this.result = event.result;
    if (event.kind === 'failed') this.error = event.error;
    if (event.kind === 'cancelled' && event.reason !== '') this.reason = event.reason;
    if (event.kind === 'completed' || event.kind === 'cancelled' || event.kind === 'failed') this.state = event.kind;
    this.#log.append(this.topic, event);
  }

  /** `started`, then these pieces. */
  say(attempt: number, ...texts: string[]): void {
    this.tell({ kind: 'started', attempt });
    for (const text of texts) this.tell({ kind: 'chunk', text });
  }

  record(): RunRecord {
    return {
      invocation: this.invocation,
      agent: this.asked['agent'] as string,
      state: this.state,
      attempt: 1,
      priority: 0,
      createdAt: 1,
      pending: [],
      metadata: {},
      ...(this.over ? { endedAt: 7 } : {}),
      ...(this.result === undefined ? {} : { result: this.result }),
      ...(this.reason === undefined ? {} : { cancelRequested: true, reason: this.reason }),
      ...(this.error === undefined ? {} : { error: this.error }),
    };
  }
}

/** Runs by their ids and keys: the same key is the same run. */
export class FakeRuns {
  readonly all: FakeRun[] = [];
  readonly #log: FakeLog;

  constructor(log: FakeLog) {
    this.#log = log;
  }

  get last(): FakeRun {
    return this.all.at(-1)!;
  }

  get(invocation: unknown): FakeRun | undefined {
    return this.all.find((run) => run.invocation === invocation);
  }

  start(frame: Frame): { run: FakeRun; duplicate: boolean } {
    const known = this.all.find(({ asked }) => asked['key'] !== undefined && asked['key'] === frame['key']);
    if (known) return { run: known, duplicate: true };
    const run = new FakeRun(`r${this.all.length + 1}`, frame, this.#log);
    this.all.push(run);
    return { run, duplicate: false };
  }

  /** Undefined for what the state does not allow. */
  control(run: FakeRun, frame: Frame): object | undefined {
    const { invocation, over } = run;
    if (frame['type'] === 'status') return { invocation: run.record() };
    run.controls.push(frame);
    if (over) return undefined;
    if (frame['type'] === 'approve') return { invocation, call: frame['call'] };
    if (frame['type'] === 'cancel')
      run.tell({ kind: 'cancelled', reason: (frame['reason'] as string | undefined) ?? '' });
    return { invocation, state: run.state };
  }
}

export function isEnd(data: unknown): boolean {
  const kind = (data as { kind?: unknown } | undefined)?.kind;
  return kind === 'completed' || kind === 'cancelled' || kind === 'failed';
}
