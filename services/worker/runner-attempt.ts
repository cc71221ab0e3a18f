import type { Clock } from '../../shared/base/clock.ts';
import type { Failure, Result } from '../../shared/base/errors.ts';
import type { Verdict } from '../../shared/engine/engine.ts';
import type { Run } from '../../shared/domain/runs/run.ts';
import type { Held } from '../../shared/domain/runs/holding.ts';
import type { RunEnd } from '../../shared/protocol/run-events.ts';
import type { Agent, AgentContext, AgentOutput } from './agent.ts';
import { Budget } from './runner-budget.ts';
import { describeThrown, nameOf, Stopped } from './runner-errors.ts';
import { letGo, readNext } from './runner-generator.ts';
import type { Pulled } from './runner-generator.ts';
import { eventOf, Output } from './runner-output.ts';
import { Waiting } from './runner-waiting.ts';

/** How long an agent may take to heed its signal. */
const graceMs = 1000;
/** Before the first of the attempts that an agent asks for; twice as long before each next one. */
const firstAgainMs = 200;
const laterEachTime = (run: Run): number => firstAgainMs * 2 ** (run.retries - 1);

/** Why an attempt is not to go on. */
type Stop = 'cancelled' | 'out of time' | 'handed back' | 'lost';

/** How the agent's part of it ended. */
type Ending =
  | { is: 'returned'; value: unknown }
  | { is: 'thrown'; error: unknown }
  | { is: 'bad'; message: string }
  | { is: 'cut' };

/** `run` as this worker left it; without it, it was lost. */
export interface Concluded {
  readonly run?: Run;
  readonly verdict: Verdict;
}

export interface AttemptParts {
  readonly clock: Clock;
  readonly maxBytes: number;
  /** While the run waits for something, it takes no slot. */
  readonly park: () => () => void;
  /** Without a failure it was the job that was lost. */
  readonly whenLost: (failure?: Failure) => void;
}

/** One attempt at a run: from the agent's first step to what is written of its last. */
export class RunningAttempt {
  readonly held: Held;
  readonly maxBytes: number;
  usage: Record<string, unknown> | undefined;
  over = false;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  readonly #output: Output;
  readonly #budget: Budget;
  readonly #waiting: Waiting;
  #stop: Stop | undefined;
  #cutOff = false;
  /** Set while the agent is at work on its next value. */
  #interrupt: (() => void) | undefined;
  /** What it threw where nobody could catch it. */
  #outside: { is: 'thrown'; error: unknown } | undefined;
  #cancelGrace: () => void = () => {};
  #still: Promise<void> | undefined;

  constructor(held: Held, parts: AttemptParts) {
    const { clock, maxBytes, park, whenLost } = parts;
    this.held = held;
    this.maxBytes = maxBytes;
    this.#clock = clock;
    this.#output = new Output(maxBytes);
    this.#budget = new Budget(clock, held.run.timeoutMs, () => this.#outOfTime());
    this.#waiting = new Waiting(() => {
      const unpark = park();
      this.#budget.halt();
      return () => {
        unpark();
        if (!this.over) this.#budget.go();
      };
    });
    held.heed = (run) => this.#heed(run);
    held.whenLost = (failure) => {
      whenLost(failure);
      this.lose();
    };
    if (held.gone) this.lose();
    this.#heed(held.run);
  }

  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** The run is somebody else's: what is still done for it comes to nothing. */
  lose(): void {
    this.#stopFor('lost', new Stopped('the run is not with this worker any more'));
  }

  handBack(): void {
    this.#stopFor('handed back', new Stopped('this worker stops'));
  }

  /** It threw outside of its generator. For an attempt that is over, it comes to nothing. */
  blame(error: unknown): void {
    if (this.over) return;
    this.#outside ??= { is: 'thrown', error };
    this.#interrupt?.();
    this.#waiting.look();
  }

  async work(agent: Agent, context: AgentContext): Promise<Ending> {
    this.#budget.go();
    const ending = this.#stop === undefined ? await this.#pullAll(agent, context) : { is: 'cut' as const };
    this.#end();
    return ending;
  }

  /** Writes what is to become of the run. */
  async conclude(ending: Ending): Promise<Concluded> {
    this.#end();
    const stop = this.#stop;
    if (stop === 'lost') return { verdict: 'done' };
    if (stop === 'handed back') return concluded(await this.held.handBack(), () => 0);
    if (stop === 'out of time') {
      const message = `it ran for longer than ${this.held.run.timeoutMs} ms`;
      return this.#fails({ code: 'timeout', message });
    }
    if (stop === 'cancelled' || ending.is === 'cut') {
      return this.#ends({ kind: 'cancelled', reason: this.held.run.cancel?.reason ?? '' });
    }
    if (ending.is === 'returned') return this.#completes(ending.value);
    if (ending.is === 'bad') return this.#fails({ code: 'bad_output', message: ending.message });
    const { error, retryable } = describeThrown(ending.error);
    if (!retryable) return this.#fails(error);
    return concluded(await this.held.tryAgain(error, this.#output.outcome()), laterEachTime);
  }

  standStill(): Promise<void> {
    const { run } = this.held;
    if (!run.pauseRequested && run.state !== 'paused') return Promise.resolve();
    this.#still ??= this.#standStill().finally(() => (this.#still = undefined));
    return this.#still;
  }

  decided(call: string): Promise<void> {
    return this.#waiting.until(() => this.#isEnding || Object.hasOwn(this.held.run.decisions, call));
  }

  get #isEnding(): boolean {
    return this.over || this.#stop !== undefined || this.#outside !== undefined;
  }

  async #standStill(): Promise<void> {
    while (!this.#isEnding) {
      const { run } = this.held;
      if (run.pauseRequested) {
        await this.held.holdStill();
        // One that waits for a decision holds still as soon as it has it.
        const over = ({ pauseRequested, state }: Run): boolean => !pauseRequested || state === 'running';
        await this.#waiting.until(() => this.#isEnding || over(this.held.run));
      } else if (run.state === 'paused') {
        await this.held.goOn();
      } else {
        return;
      }
    }
  }

  async #pullAll(agent: Agent, context: AgentContext): Promise<Ending> {
    let generator: AsyncGenerator<AgentOutput, unknown, void>;
    try {
      generator = agent.run(context);
      if (typeof (generator as Partial<typeof generator> | undefined)?.next !== 'function') {
        // It may be a promise that fails.
        Promise.resolve(generator).catch(() => {});
        return { is: 'bad', message: `the agent's run gave back ${nameOf(generator)} in place of a generator` };
      }
    } catch (error) {
      return { is: 'thrown', error };
    }
    for (;;) {
      await this.standStill();
      if (this.held.full) await this.held.room();
      const pulled = this.#isEnding ? undefined : await this.#pull(generator);
      if (pulled?.is === 'thrown') return pulled;
      if (pulled?.next.done) return { is: 'returned', value: pulled.next.value };
      const cut = this.#outside ?? (pulled && this.#stop === undefined ? undefined : { is: 'cut' as const });
      const ending = cut ?? (pulled && this.#say(pulled.next.value));
      if (!ending) continue;
      letGo(generator);
      return ending;
    }
  }

  /** Nothing where the agent was cut off. By hand: a race against one lasting promise would keep every loser. */
  #pull(generator: AsyncGenerator): Promise<Pulled> {
    return new Promise((resolve) => {
      this.#interrupt = () => resolve(undefined);
      if (this.#cutOff || this.#outside) this.#interrupt();
      try {
        // An iterator that is not of the language's own making may give back anything.
        Promise.resolve(generator.next()).then(
          (next: unknown) => resolve(readNext(next)),
          (error: unknown) => resolve({ is: 'thrown', error }),
        );
      } catch (error) {
        resolve({ is: 'thrown', error });
      }
    });
  }

  #say(value: unknown): Ending | undefined {
    const event = eventOf(value);
    if (!event.ok) return bad(event.message);
    try {
      const said = this.held.say(event.value);
      if (!said.ok) return bad(`a ${event.value.kind} that is refused: ${said.message}`);
    } catch {
      return bad(`a ${event.value.kind} that cannot be read`);
    }
    this.#output.add(event.value);
    return undefined;
  }

  #heed(run: Run): void {
    if (run.cancel) this.#stopFor('cancelled', new Stopped(run.cancel.reason));
    this.#waiting.look();
  }

  #outOfTime(): void {
    this.#stopFor('out of time', new Stopped('the run is out of time', 'TimeoutError'));
  }

  /** The first reason counts, but for one that leaves the run to others. */
  #stopFor(stop: Stop, reason: Stopped): void {
    const atOnce = stop === 'lost' || stop === 'handed back';
    if (this.over || this.#stop === 'lost' || (this.#stop !== undefined && !atOnce)) return;
    this.#stop = stop;
    this.#stopping.abort(reason);
    if (atOnce) this.#cut();
    else this.#cancelGrace = this.#clock.later(graceMs, () => this.#cut());
    this.#waiting.look();
  }

  #cut(): void {
    this.#cutOff = true;
    this.#interrupt?.();
  }

  /** Whatever the agent still does from here on is not heard, and it may as well know. */
  #end(): void {
    this.over = true;
    this.#budget.halt();
    this.#cancelGrace();
    this.#stopping.abort(finished);
    this.#waiting.look();
  }

  #completes(returned: unknown): Promise<Concluded> {
    const result = this.#output.resultOf(returned);
    if (!result.ok) {
      return this.#fails({ code: 'bad_output', message: `the result is refused: ${result.message}` });
    }
    return this.#ends({ kind: 'completed', result: result.value }, result.value);
  }

  #fails(error: { code: string; message: string }): Promise<Concluded> {
    return this.#ends({ kind: 'failed', error });
  }

  async #ends(end: RunEnd, result?: unknown): Promise<Concluded> {
    return concluded(await this.held.end(end, this.#output.outcome(result), this.usage), () => 0);
  }
}

const finished = new Stopped('the run has ended');

function bad(what: string): Ending {
  return { is: 'bad', message: `the agent yielded ${what}` };
}

/** Where it is in other hands, so is what becomes of it. What is paused needs no job until somebody wants it to go on. */
function concluded(left: Result<Run>, againInMs: (run: Run) => number): Concluded {
  if (!left.ok) return { verdict: 'done' };
  const run = left.value;
  return { run, verdict: run.state === 'queued' ? { againInMs: againInMs(run) } : 'done' };
}
