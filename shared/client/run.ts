import type { ApproveRequest, ControlResult, RunRecord, RunRequest, RunState, StatusResult } from '../protocol/runs.ts';
import type { Caller } from './calls.ts';
import { AgentwireError } from './errors.ts';
import type { FollowedRun } from './followed-run.ts';
import type { AgentRunEvent } from './run-events.ts';
import { eventsAfter } from './run-loop.ts';
import type { Runs } from './runs.ts';

/** Made up where there is none: the `key`, by which the server knows a request that is sent again. */
export type RunOptions = Omit<RunRequest, 'type' | 'id' | 'traceparent' | 'agent' | 'input' | 'attach'> & {
  /** The trace that it belongs to, as W3C Trace Context writes it. */
  readonly traceparent?: string;
};

export type ApproveOptions = Pick<ApproveRequest, 'note' | 'input'>;

interface Ports extends Caller {
  readonly runs: Runs;
}

/**
 * A run as the application holds it. Any number of loops can go over its events, each from the first one on; leaving a loop
 * changes nothing of the run.
 */
export class AgentRun<Result = unknown> implements AsyncIterable<AgentRunEvent, undefined> {
  /** The id, once the server has given it one; rejects when the run was refused. */
  readonly invocation: Promise<string>;
  readonly #run: Promise<FollowedRun>;
  readonly #after: number;
  readonly #ports: Ports;
  readonly #result: Promise<Result>;

  constructor(run: Promise<FollowedRun>, after: number, ports: Ports) {
    this.#run = run;
    this.#after = after;
    this.#ports = ports;
    this.invocation = run.then(({ invocation }) => invocation);
    this.#result = run.then(({ outcome }) => outcome as Promise<Result>);
    // Each tells the same, and nobody asks for all of them.
    for (const promise of [this.invocation, this.#result]) promise.catch(() => {});
  }

  /** Rejects with a `RunError` when the run was cancelled or failed, else with why nothing is known of its end. */
  result(): Promise<Result> {
    return this.#result;
  }

  /** What the agent said in the attempt that completed, from its beginning. Rejects as `result` does. */
  async text(): Promise<string> {
    let text = '';
    let whole = true;
    for await (const event of this.#eventsAfter(0)) {
      if (event.kind === 'chunk') text += event.text;
      else if (event.kind === 'gap') whole = false;
      if (event.kind !== 'started') continue;
      text = '';
      whole = true;
    }
    await this.#result;
    if (!whole) throw new AgentwireError('not_found', 'a part of what the agent said is kept no longer');
    return text;
  }

  /** Resolves with the state once the wish is on the record; the end is told by the events. */
  cancel(reason?: string): Promise<RunState> {
    return this.#control({ type: 'cancel', ...(reason === undefined ? {} : { reason }) }, true);
  }

  pause(): Promise<RunState> {
    return this.#control({ type: 'pause' }, true);
  }

  resume(): Promise<RunState> {
    return this.#control({ type: 'resume' }, false);
  }

  /** Decides a call that waits for approval; `input` takes the place of its arguments. */
  async approve(
    call: string,
    decision: ApproveRequest['decision'] = 'approve',
    options: ApproveOptions = {},
  ): Promise<void> {
    await this.#call({ ...options, type: 'approve', call, decision }, false);
  }

  async status(): Promise<RunRecord> {
    const { invocation } = (await this.#call({ type: 'status' }, true)) as StatusResult;
    return invocation;
  }

  [Symbol.asyncIterator](): AsyncGenerator<AgentRunEvent, undefined> {
    return this.#eventsAfter(this.#after);
  }

  #eventsAfter(after: number): AsyncGenerator<AgentRunEvent, undefined> {
    return eventsAfter(after, this.#run, (run, from) => this.#ports.runs.read(run, from));
  }

  async #control(frame: Readonly<Record<string, unknown>>, again: boolean): Promise<RunState> {
    const { state } = (await this.#call(frame, again)) as ControlResult;
    return state;
  }

  async #call(frame: Readonly<Record<string, unknown>>, again: boolean): Promise<unknown> {
    const invocation = await this.invocation;
    return this.#ports.call({ ...frame, invocation }, again);
  }
}
