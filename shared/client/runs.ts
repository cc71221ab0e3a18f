import type { Failure, Result } from '../base/errors.ts';
import type { RunEnd } from '../protocol/run-events.ts';
import type { HistoryResult } from '../protocol/publish.ts';
import type { AttachResult, RunRecord, RunResult, RunState, StatusResult } from '../protocol/runs.ts';
import { matches } from '../topics/match.ts';
import { Backoff } from './backoff.ts';
import { errorOf } from './errors.ts';
import type { AgentwireEvent } from './events.ts';
import { FollowedRun } from './followed-run.ts';
import type { LastingRequests } from './lasting.ts';
import type { Settings } from './options.ts';
import type { Registry } from './registry.ts';
import { passes } from './requests.ts';
import type { Link, Requests } from './requests.ts';
import { endIn, isOver } from './run-events.ts';

export interface RunsPorts {
  readonly requests: Requests;
  readonly lasting: LastingRequests;
  readonly link: Link;
  readonly settings: Settings;
  readonly registry: Registry;
}

/**
 * The runs that are followed, one attachment each to every connection until they end. The server does not replay what a
 * subscription of the connection covers; then the head is asked for, and what is missing read by whoever wants it.
 */
export class Runs {
  readonly #ports: RunsPorts;
  readonly #backoff: Backoff;
  /**
   * Between attachments that a server ends though their run goes on. That it answers each of them proves nothing, so only
   * another connection resets it: without it one run was asked for thousands of times a second.
   */
  readonly #afterGone: Backoff;
  readonly #byTopic = new Map<string, FollowedRun>();
  #cancelRetry: (() => void) | undefined;

  constructor(ports: RunsPorts) {
    this.#ports = ports;
    this.#backoff = new Backoff(ports.settings.random);
    this.#afterGone = new Backoff(ports.settings.random);
  }

  /** Resolves with the run once the server has it. The frame carries a key, so it may be sent again. */
  start(frame: Readonly<Record<string, unknown>>): Promise<FollowedRun> {
    return new Promise((resolve, reject) => {
      this.#ports.lasting.ask('start', frame, (answer) => {
        if (!answer.ok) return reject(errorOf(answer));
        const { invocation, state } = answer.value as RunResult;
        const run = this.#byTopic.get(`run.${invocation}`) ?? this.#follow(new FollowedRun(invocation, true));
        resolve(run);
        this.#joined(run, state);
      });
    });
  }

  /** The id is one that can be. */
  attach(invocation: string, after: number): FollowedRun {
    const known = this.#byTopic.get(`run.${invocation}`);
    if (known) return known;
    const run = this.#follow(new FollowedRun(invocation, false, after));
    this.sync();
    return run;
  }

  read(run: FollowedRun, after: number): Promise<Result<HistoryResult>> {
    return new Promise((resolve) =>
      this.#history(run, { after, limit: 1000 }, (answer) => resolve(answer as Result<HistoryResult>)),
    );
  }

  /** Whether the event is one of a run that is followed. */
  event(event: AgentwireEvent): boolean {
    const run = this.#byTopic.get(event.topic);
    if (!run) return false;
    run.add(event);
    if (run.over) this.#byTopic.delete(event.topic);
    return true;
  }

  /** Events of a topic were given up. What a run's loops have missed by that they read. Whether it is one that is followed. */
  dropped(topic: string): boolean {
    const run = this.#byTopic.get(topic);
    if (run) this.#look(run, undefined, false);
    return run !== undefined;
  }

  /**
   * A topic is numbered anew, so the store has lost something: the run itself, perhaps, though its worker may not know of
   * that yet and go on. '' where there is nothing of it any more: then the server has ended the attachment.
   */
  renumbered(topic: string, epoch: string): boolean {
    const run = this.#byTopic.get(topic);
    if (!run) return false;
    const gone = epoch === '';
    if (gone) run.attached = false;
    this.#record(run, ({ state }) => {
      if (isOver(state)) this.#look(run, state, false);
      else if (gone) this.#syncLater(this.#afterGone);
      else this.#look(run, undefined, false);
    });
    return true;
  }

  linkUp(): void {
    this.#backoff.reset();
    this.#afterGone.reset();
    this.sync();
  }

  linkDown(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    for (const run of this.#byTopic.values()) run.attached = false;
  }

  /**
   * Attaches what can be. An event that arrives for a subscription before its answer is not for it, so a run waits for all
   * subscriptions that match it, or what it replays would pass them by.
   */
  sync(): void {
    const { link, registry } = this.#ports;
    if (!link.up || this.#cancelRetry || this.#byTopic.size === 0) return;
    for (const run of this.#byTopic.values()) {
      if (!run.attached && registry.match(run.topic).every((entry) => entry.active)) this.#attach(run);
    }
  }

  /** The server has taken a subscription away, and with it an attachment of the same name or what it was taken to cover. */
  unsubscribed(name: string): void {
    for (const run of this.#byTopic.values()) if (matches(name, run.topic)) run.attached = false;
    this.sync();
  }

  /** Those that the server has not answered for yet; the others go on with a later `connect`. */
  failWaiting(failure: Failure): void {
    for (const run of this.#byTopic.values()) if (!run.known) this.#fail(run, failure);
  }

  failAll(failure: Failure): void {
    for (const run of this.#byTopic.values()) this.#fail(run, failure);
  }

  #follow(run: FollowedRun): FollowedRun {
    this.#byTopic.set(run.topic, run);
    return run;
  }

  #attach(run: FollowedRun): void {
    const { requests } = this.#ports;
    const { invocation, log } = run;
    run.attached = true;
    requests.ask({ type: 'attach', invocation, after: log.head }, (answer) => {
      // `linkDown` sees to what was lost.
      if (answer === 'lost') return;
      if (answer.ok) {
        this.#backoff.reset();
        this.#joined(run, (answer.value as AttachResult).state);
      } else if (passes(answer.code) || (answer.code === 'internal' && run.known)) {
        run.attached = false;
        this.#syncLater(this.#backoff);
      } else {
        run.attached = false;
        this.#fail(run, answer);
      }
    });
  }

  #syncLater(backoff: Backoff): void {
    this.#cancelRetry ??= this.#ports.settings.clock.later(backoff.next(), () => {
      this.#cancelRetry = undefined;
      this.sync();
    });
  }

  /** Where the answer is not followed by a replay that ends with the end, the log is told where it stands. */
  #joined(run: FollowedRun, state: RunState): void {
    run.known = true;
    const covered = this.#ports.registry.match(run.topic).length > 0;
    if (covered || isOver(state)) this.#look(run, state, !covered);
  }

  #look(run: FollowedRun, state: RunState | undefined, replayed: boolean): void {
    this.#history(run, { reverse: true, limit: 1 }, (answer) => {
      if (run.over) return;
      if (!answer.ok) return this.#fail(run, answer);
      const { epoch, seq, events } = answer.value as HistoryResult;
      const last = events[0] as AgentwireEvent | undefined;
      const end = last && endIn(last);
      // It is on its way, with all before it.
      if (replayed && end && run.log.awaits(epoch, seq)) return;
      if (end) this.#end(run, last, end);
      // The events are kept for a shorter time than the record, which says how it ended.
      else if (isOver(state)) this.#record(run, (record) => this.#endBy(record, run, epoch, last ? seq + 1 : seq));
      else if (last) run.log.reached(epoch, seq);
      else this.#record(run, (record) => this.#lookAgain(record, run, epoch, seq));
    });
  }

  /** Without events it may have ended, and after the answer, too: then the head is to be asked for once more. */
  #lookAgain({ state }: RunRecord, run: FollowedRun, epoch: string, seq: number): void {
    if (isOver(state)) this.#look(run, state, false);
    else run.log.reached(epoch, seq);
  }

  /** Nothing follows the end, so its number is that of the head. */
  #endBy(record: RunRecord, run: FollowedRun, epoch: string, head: number): void {
    const end = endOf(record);
    const event = { topic: run.topic, seq: Math.max(head, 1), epoch, ts: record.endedAt ?? 0, data: end };
    if (end) this.#end(run, event, end);
  }

  #record(run: FollowedRun, done: (record: RunRecord) => void): void {
    const { invocation } = run;
    this.#ports.lasting.ask('read', { type: 'status', invocation }, (answer) => {
      if (run.over) return;
      if (answer.ok) done((answer.value as StatusResult).invocation);
      else this.#fail(run, answer);
    });
  }

  #history(run: FollowedRun, query: object, done: (answer: Result<unknown>) => void): void {
    this.#ports.lasting.ask('read', { ...query, type: 'history', topic: run.topic }, done);
  }

  /** The end has not come by itself, so the attachment may still be there: as long as it is, the server replays nothing. */
  #end(run: FollowedRun, event: AgentwireEvent, end: RunEnd): void {
    this.#byTopic.delete(run.topic);
    run.end(event, end);
    this.#leave(run);
  }

  #fail(run: FollowedRun, failure: Failure): void {
    this.#byTopic.delete(run.topic);
    run.fail(errorOf(failure));
    if (run.attached) this.#leave(run);
  }

  #leave({ topic }: FollowedRun): void {
    const { requests, link, registry } = this.#ports;
    if (!link.up || registry.get(topic)) return;
    requests.ask({ type: 'unsubscribe', topics: [topic] }, () => this.unsubscribed(topic));
  }
}

function endOf({ state, result, reason = '', error }: RunRecord): RunEnd | undefined {
  if (state === 'completed') return { kind: state, result };
  if (state === 'cancelled') return { kind: state, reason };
  return state === 'failed' ? { kind: state, error: error ?? { code: 'internal', message: 'it failed' } } : undefined;
}
