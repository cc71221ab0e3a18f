import type { RunEnd } from '../protocol/run-events.ts';
import type { AgentwireError } from './errors.ts';
import type { AgentwireEvent } from './events.ts';
import { endIn, RunError } from './run-events.ts';
import { RunLog } from './run-log.ts';

/** A run that the application holds by one object or several: what came of it, and how it ended. */
export class FollowedRun {
  readonly invocation: string;
  readonly topic: string;
  readonly log: RunLog;
  /** The result, or how it ended else. */
  readonly outcome: Promise<unknown>;
  /** It was asked for on the present connection: its events come, or an answer does. */
  attached: boolean;
  /** The server has said that there is such a run. */
  known: boolean;
  #settle!: { resolve: (result: unknown) => void; reject: (error: Error) => void };

  /** `started`: by an answer that has attached it, too. Else it is to be attached, to what comes after that number. */
  constructor(invocation: string, started: boolean, after = 0) {
    this.invocation = invocation;
    this.topic = `run.${invocation}`;
    this.log = new RunLog(after);
    this.attached = started;
    this.known = started;
    this.outcome = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
  }

  get over(): boolean {
    return this.log.over || this.log.failure !== undefined;
  }

  add(event: AgentwireEvent): void {
    this.log.add(event);
    const end = endIn(event);
    if (end) this.end(event, end);
  }

  end(event: AgentwireEvent, end: RunEnd): void {
    if (this.over) return;
    this.log.end(event);
    if (end.kind === 'completed') this.#settle.resolve(end.result);
    else this.#settle.reject(errorIn(this.invocation, end));
  }

  fail(error: AgentwireError): void {
    if (this.over) return;
    this.log.fail(error);
    this.#settle.reject(error);
  }
}

function errorIn(invocation: string, end: Exclude<RunEnd, { kind: 'completed' }>): RunError {
  if (end.kind === 'failed') return new RunError(invocation, end.error.code, end.error.message);
  return new RunError(invocation, 'cancelled', end.reason === '' ? 'the run was cancelled' : end.reason);
}
