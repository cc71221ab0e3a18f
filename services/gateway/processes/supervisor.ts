import type { Clock } from '../../../shared/base/clock.ts';
import type { Log } from '../../../shared/observe/log.ts';
import type { Child, ChildEvents } from './child.ts';
import { Gathering } from './gathering.ts';
import type { FromChild } from './messages.ts';

/** A process that lived this long did not die of its start. */
const steadyMs = 10_000;
const firstPauseMs = 100;
const longestPauseMs = 10_000;

export interface SupervisorPorts {
  readonly count: number;
  /** 0: the first process takes one that is free, and the others share it. */
  readonly port: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly startChild: (number: number, port: number, events: ChildEvents) => Child;
}

interface Place {
  readonly number: number;
  child: Child | undefined;
  listening: boolean;
  startedAt: number;
  /** Deaths in a row, each soon after its start. */
  deaths: number;
  cancelRestart: () => void;
}

/** The first process ended before it listened, and has said why; none of the others was begun. */
export class NoStart extends Error {
  override readonly name = 'NoStart';
  readonly exitCode: number;

  constructor(exitCode: number) {
    super('the first process ended before it listened');
    this.exitCode = exitCode;
  }
}

/** Keeps so many processes on one port: starts them, starts again those that die, answers for all, and ends them. */
export class Supervisor {
  readonly #ports: SupervisorPorts;
  readonly #places: Place[];
  readonly #gathering: Gathering;
  #port: number;
  /** From when the first one listened until they are to end. */
  #restarts = false;
  #clean = true;
  #onListening: () => void = () => {};
  #onExit: (code: number | null) => void = () => {};

  constructor(ports: SupervisorPorts) {
    this.#ports = ports;
    this.#port = ports.port;
    this.#gathering = new Gathering(ports.clock);
    this.#places = Array.from({ length: ports.count }, (_, i) => ({
      number: i + 1,
      child: undefined,
      listening: false,
      startedAt: 0,
      deaths: 0,
      cancelRestart: () => {},
    }));
  }

  /** Resolves with the port when all of them listen. Rejects when the first one cannot: then none will. */
  async start(): Promise<number> {
    const [first, ...others] = this.#places;
    await new Promise<void>((resolve, reject) => {
      this.#onListening = () => resolve();
      this.#onExit = (code) => reject(new NoStart(code ?? 1));
      this.#launch(first!);
    });
    this.#onExit = () => {};
    this.#restarts = true;
    await new Promise<void>((resolve) => {
      this.#onListening = () => {
        if (this.#places.every(({ listening }) => listening)) resolve();
      };
      for (const place of others) this.#launch(place);
      this.#onListening();
    });
    this.#onListening = () => {};
    return this.#port;
  }

  /** Drains them all. True when each of them ended well. */
  async end(): Promise<boolean> {
    this.#restarts = false;
    // A start that is under way goes no further.
    this.#onListening = () => {};
    await new Promise<void>((resolve) => {
      this.#onExit = () => {
        if (this.#places.every(({ child }) => child === undefined)) resolve();
      };
      for (const { child, cancelRestart } of this.#places) {
        cancelRestart();
        child?.kill('SIGTERM');
      }
      this.#onExit(null);
    });
    return this.#clean;
  }

  kill(): void {
    for (const { child } of this.#places) child?.kill('SIGKILL');
  }

  #launch(place: Place): void {
    const { clock, startChild } = this.#ports;
    place.startedAt = clock.now();
    const child = startChild(place.number, this.#port, {
      message: (message) => this.#take(place, child, message),
      exit: (code, signal) => this.#exited(place, child, code, signal),
    });
    place.child = child;
  }

  #take(place: Place, child: Child, message: FromChild): void {
    if (message.kind === 'told') {
      this.#gathering.told(child, message);
    } else if (message.kind === 'ask') {
      void this.#answer(child, message);
    } else {
      this.#port = message.port;
      place.listening = true;
      this.#gathering.join(child);
      this.#onListening();
    }
  }

  async #answer(child: Child, { id, question }: Extract<FromChild, { kind: 'ask' }>): Promise<void> {
    const { count, log } = this.#ports;
    try {
      const text = await (question === 'metrics' ? this.#gathering.metrics() : this.#gathering.status(count));
      child.send({ kind: 'answer', id, text });
    } catch (error) {
      // A fault in counting is no reason to end the processes that serve.
      log.error('a question to all processes failed', { question, error });
    }
  }

  #exited(place: Place, child: Child, code: number | null, signal: string | null): void {
    const { clock, log } = this.#ports;
    const { number, listening } = place;
    place.child = undefined;
    place.listening = false;
    this.#gathering.leave(child);
    if (!this.#restarts) {
      // One that was still starting cannot have had anything to drain.
      if (listening && code !== 0) this.#clean = false;
    } else {
      place.deaths = clock.now() - place.startedAt >= steadyMs ? 1 : place.deaths + 1;
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (place.deaths - 1));
      log.error('a process ended, and is started again', { process: number, code, signal, pauseMs });
      place.cancelRestart = clock.later(pauseMs, () => this.#launch(place));
    }
    this.#onExit(code);
  }
}
