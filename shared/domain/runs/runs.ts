import { fail, ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Engine } from '../../engine/engine.ts';
import type { Identity } from '../identity.ts';
import { Control } from './control.ts';
import { listRuns } from './listing.ts';
import type { RunsAsked, RunsPage } from './listing.ts';
import type { Decision, Run } from './run.ts';
import type { Standing } from './run-store.ts';
import { Start } from './start.ts';
import type { Started, StartParts, StartRun } from './start.ts';

export interface RunsParts extends StartParts {
  readonly engine: Pick<Engine, 'records' | 'signals' | 'queue'>;
}

/** What identities do with their runs. Another's run is `not_found`. */
export class Runs {
  readonly #parts: RunsParts;
  readonly #start: Start;
  readonly #control: Control;

  constructor(parts: RunsParts) {
    this.#parts = parts;
    this.#start = new Start(parts);
    this.#control = new Control(parts);
  }

  /** `begins` is told of a run that is new, ahead of everything that is written of it. */
  start(identity: Identity, asked: StartRun, begins?: (invocation: string) => void): Promise<Result<Started>> {
    return this.#start.start(identity, asked, begins);
  }

  async status(identity: Identity, invocation: string): Promise<Result<Run>> {
    const found = await this.#find(identity, invocation);
    return found.ok ? ok(found.value.run) : found;
  }

  async cancel(identity: Identity, invocation: string, reason = ''): Promise<Result<Run>> {
    const found = await this.#find(identity, invocation);
    return found.ok ? this.#control.cancel(found.value, reason) : found;
  }

  async pause(identity: Identity, invocation: string): Promise<Result<Run>> {
    const found = await this.#find(identity, invocation);
    return found.ok ? this.#control.pause(found.value) : found;
  }

  async resume(identity: Identity, invocation: string): Promise<Result<Run>> {
    const found = await this.#find(identity, invocation);
    return found.ok ? this.#control.resume(found.value) : found;
  }

  async approve(identity: Identity, invocation: string, call: string, decision: Decision): Promise<Result<Run>> {
    const found = await this.#find(identity, invocation);
    return found.ok ? this.#control.decide(found.value, call, decision) : found;
  }

  list(identity: Identity, asked: RunsAsked): Promise<Result<RunsPage>> {
    return listRuns(this.#parts, identity, asked);
  }

  async #find(identity: Identity, invocation: string): Promise<Result<Standing>> {
    const found = await this.#parts.store.load(invocation);
    if (!found.ok) return found;
    return identity.admin || found.value.run.owner === identity.id ? found : fail('not_found', 'there is no such run');
  }
}
