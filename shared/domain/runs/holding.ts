import { fail, ok } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { Failure, Result } from '../../base/errors.ts';
import type { Append } from '../../engine/engine.ts';
import type { RunEnd, RunEvent } from '../../protocol/run-events.ts';
import type { PendingCall, Progress, RunError } from '../../protocol/runs.ts';
import { taskProgress } from './as-task.ts';
import { Outbox } from './holding-outbox.ts';
import type { Store } from './holding-outbox.ts';
import { Paced } from './holding-paced.ts';
import { Spaced } from './holding-spaced.ts';
import { step } from './machine.ts';
import type { Command, Step } from './machine.ts';
import { isOver, topicOf } from './run.ts';
import type { Run } from './run.ts';
import type { Asked, Outcome, RunStore, Standing } from './run-store.ts';

/** Of what is said about progress within this time, the last word counts. */
const progressEveryMs = 50;
/**
 * The record follows more slowly, for those who come back, and so does the task that it is to others: once in a second at
 * most. It is a little more, since a timer may be a millisecond early and the store counts in whole ones.
 */
const tellEveryMs = 1010;

export interface HoldingParts {
  readonly engine: Store;
  readonly store: RunStore;
  readonly clock: Clock;
  /** An event over this would reach no client. */
  readonly maxEventBytes: number;
}

/**
 * A run in the hands of one worker, from the claim to the end or the loss of it. What is said and decided here reaches
 * log and record in this order, and under one fence: where another worker has claimed the run, or somebody has ended
 * it, it is lost, and whatever is still said or asked for comes to nothing.
 */
export class Held {
  readonly asked: Asked;
  /** Called with the run whenever it was found changed, by whomever. */
  heed: (run: Run) => void = () => {};
  /** Called once. Without a failure it was the job that was lost. */
  whenLost: (failure?: Failure) => void = () => {};
  readonly #parts: HoldingParts;
  readonly #worker: string;
  readonly #outbox: Outbox;
  readonly #saying: Paced;
  readonly #telling: Spaced;
  #standing: Standing;
  /** A commit failed: the record may be at another rev than the one known. */
  #doubtful = false;
  #said = 0;
  #progress: Progress | undefined;
  /** Not in the record yet: goes along with whatever is written next. */
  #unrecorded: Progress | undefined;
  /** Those who watch tasks have not heard of it yet. */
  #untold: Progress | undefined;
  /** Of this run those who watch tasks have heard no progress at all, not from its former holders either. */
  #firstWord: boolean;
  #percent = 0;
  #leaving = false;
  #closed = false;
  #looking = false;
  #lookAgain = false;

  constructor(parts: HoldingParts, worker: string, standing: Standing, asked: Asked, jobLost: AbortSignal) {
    this.#parts = parts;
    this.#worker = worker;
    this.#standing = standing;
    this.asked = asked;
    this.#outbox = new Outbox(parts.engine, topicOf(standing.run.invocation), parts.clock, (failure) =>
      this.#lose(failure),
    );
    this.#saying = new Paced(parts.clock, progressEveryMs, () => this.#sayProgress());
    // From the claim on as well: a former holder may have told something just before it.
    this.#telling = new Spaced(parts.clock, tellEveryMs, () => this.#tellProgress());
    this.#firstWord = standing.run.progress === undefined;
    jobLost.addEventListener('abort', () => this.#lose());
  }

  /** As it was seen last. */
  get run(): Run {
    return this.#standing.run;
  }

  /** It has left these hands, one way or the other. */
  get gone(): boolean {
    return this.#closed;
  }

  /** Too much of what was said is still on its way: ask for room before more is said. */
  get full(): boolean {
    return this.#outbox.full;
  }

  /** Resolves when there is room, or when the run is lost. */
  room(): Promise<void> {
    return this.#outbox.room();
  }

  /** One of the run's events. `bad_request` for what is not plain data, `payload_too_large`; never a word of the store. */
  say(event: RunEvent): Result<void> {
    if (this.#closed || this.#leaving) return ok(undefined);
    const made = this.#parts.store.appendsFor(this.run, [event]);
    if (!made.ok) return made;
    const { maxEventBytes } = this.#parts;
    for (const append of made.value) {
      if (longerThan(append.body, maxEventBytes)) return fail('payload_too_large', `over ${maxEventBytes} bytes`);
      this.#post(append);
    }
    return ok(undefined);
  }

  report(progress: Progress): void {
    if (this.#closed || this.#leaving) return;
    this.#progress = progress;
    this.#unrecorded = progress;
    // Of a task there is always a figure: where nothing is said of it, it stands as it was.
    this.#percent = progress.percent ?? this.#percent;
    this.#untold = { ...progress, percent: this.#percent };
    this.#saying.ask();
    this.#telling.ask();
  }

  /** Somebody may want something of it: reads the record again. The sweeper asks anew where that fails. */
  async look(): Promise<void> {
    this.#lookAgain = true;
    if (this.#looking) return;
    this.#looking = true;
    while (this.#lookAgain && !this.#closed && !this.#leaving) {
      this.#lookAgain = false;
      const seen = await this.#parts.store.load(this.run.invocation);
      // What is found while it is on its way out may be what it leaves behind.
      if (this.#closed || this.#leaving) break;
      if (seen.ok) this.#saw(seen.value);
      else if (seen.code === 'not_found') this.#lose(seen);
    }
    this.#looking = false;
  }

  /** Afterwards it is paused, unless nobody wants that any more. */
  holdStill(): Promise<Result<Run>> {
    // What was said before the pause is heard before it.
    this.#saying.flush();
    return this.#act({ do: 'hold still', worker: this.#worker });
  }

  goOn(): Promise<Result<Run>> {
    return this.#act({ do: 'go on', worker: this.#worker });
  }

  /** Asked for already by this attempt, or decided meanwhile: nothing happens. */
  ask(call: PendingCall): Promise<Result<Run>> {
    const asked = (run: Run): boolean =>
      Object.hasOwn(run.decisions, call.call) ||
      run.pending.some((one) => one.call === call.call && one.attempt === run.attempt);
    return this.#act({ do: 'ask', worker: this.#worker, call }, { already: asked });
  }

  takeDecision(call: string): Promise<Result<Run>> {
    return this.#act({ do: 'take decision', worker: this.#worker, call });
  }

  /** To the next worker, which does not count as a takeover then. */
  handBack(): Promise<Result<Run>> {
    return this.#leave({ do: 'hand back', worker: this.#worker });
  }

  /** Begin again, or the end of it, when that has been done too often. */
  tryAgain(error: RunError, outcome: Outcome): Promise<Result<Run>> {
    return this.#leave({ do: 'try again', worker: this.#worker, error, at: this.#parts.clock.now() }, outcome);
  }

  /** After all that was said. A cancel that is on the record goes before what is asked for here. */
  end(end: RunEnd, outcome: Outcome, usage?: Record<string, unknown>): Promise<Result<Run>> {
    const at = this.#parts.clock.now();
    return this.#leave({ do: 'end', worker: this.#worker, end, at, ...(usage ? { usage } : {}) }, outcome);
  }

  async #leave(command: Command, outcome?: Outcome): Promise<Result<Run>> {
    this.#saying.flush();
    this.#telling.stop();
    // Else it is too soon, and the last word stays untold: the end has its figure, and one attempt more begins anew.
    if (this.#firstWord) this.#postProgress();
    this.#leaving = true;
    const { fence } = this.run;
    // After a commit of unknown outcome: nobody else ends it under this fence, or gives it back with the next one.
    const left = (run: Run): boolean =>
      this.#doubtful && (isOver(run) ? run.fence === fence : run.fence === fence + 1 && run.worker === undefined);
    const done = await this.#act(command, { already: left, ...(outcome ? { outcome } : {}) });
    this.#close();
    return done;
  }

  #act(command: Command, how: { already?: (run: Run) => boolean; outcome?: Outcome } = {}): Promise<Result<Run>> {
    const { store } = this.#parts;
    const { fence, invocation } = this.run;
    return this.#outbox.act(async (said) => {
      const progress = this.#unrecorded;
      const decide = (run: Run): Result<Step & { outcome?: Outcome; said?: readonly Append[] }> => {
        if (how.already?.(run)) return ok({ run, events: [] });
        if (run.fence !== fence) return fail('conflict', 'the run is in other hands');
        const next = step(run, command);
        if (!next.ok) return next;
        const { events } = next.value;
        const after = progress === undefined ? next.value.run : { ...next.value.run, progress };
        return ok({ run: after, events, said, ...(how.outcome && isOver(after) ? { outcome: how.outcome } : {}) });
      };
      const changed = await store.change(invocation, decide, this.#doubtful ? undefined : this.#standing);
      this.#doubtful = !changed.ok;
      if (!changed.ok) return changed;
      if (this.#unrecorded === progress) this.#unrecorded = undefined;
      const { before, ...standing } = changed.value;
      this.#saw(standing);
      return ok({ value: standing.run, carried: standing.run !== before });
    });
  }

  #sayProgress(): void {
    if (this.#progress) this.say({ kind: 'progress', ...this.#progress });
  }

  /** In one commit, which only the run's holder can make: one that has lost it does not talk in between the next one's words. */
  async #tellProgress(): Promise<void> {
    const progress = this.#progress;
    if (!progress) return;
    this.#postProgress();
    await this.#act({ do: 'report', worker: this.#worker, progress });
  }

  /** Goes with the step that is asked for next. */
  #postProgress(): void {
    const progress = this.#untold;
    if (!progress) return;
    this.#untold = undefined;
    this.#firstWord = false;
    this.#post(taskProgress(this.run, progress));
  }

  #post(append: Append): void {
    append.messageId = `${this.run.fence}.${this.#said}`;
    this.#said += 1;
    this.#outbox.say(append);
  }

  #saw(standing: Standing): void {
    if (standing.rev < this.#standing.rev) return;
    const before = this.#standing.run;
    const { run } = standing;
    if (!this.#leaving && (isOver(run) || run.fence !== before.fence)) return this.#lose();
    this.#standing = standing;
    if (!this.#closed && !this.#leaving) this.heed(run);
  }

  #lose(failure?: Failure): void {
    if (this.#closed) return;
    this.#close();
    this.whenLost(failure);
  }

  #close(): void {
    this.#closed = true;
    this.#saying.stop();
    this.#telling.stop();
    this.#outbox.close();
  }
}

/** A unit of a string is at most three bytes of UTF-8, so most need no counting. */
function longerThan(text: string, bytes: number): boolean {
  return text.length * 3 > bytes && Buffer.byteLength(text) > bytes;
}
