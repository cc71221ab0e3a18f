import type { AgentwireClient } from '../../shared/client/index.ts';
import type { CheckpointRecord } from '../../shared/protocol/checkpoints.ts';
import { outcomeOf } from './session-places.ts';

/** `unsure`: somebody wanted it gone, and has no word of it that says whether it is. */
export type Fate = 'there' | 'unsure' | 'gone';

interface Known {
  readonly session: string;
  readonly state: unknown;
  fate: Fate;
}

const unknownOutcome = new Set(['unavailable', 'timeout']);
/** What somebody else was quicker with, and nothing else, may stand in the way of a write. */
const refusals = new Set(['not_found', 'conflict', 'busy']);

/** What was said to be done in a storm of writes, so that it can be held against what is there afterwards. */
export class SessionLedger {
  readonly sessions = new Map<string, Fate>();
  readonly checkpoints = new Map<string, Known>();
  /** How often each kind of write was done, was refused, and was left without a word. */
  readonly tally = new Map<string, number>();
  readonly faults: string[] = [];
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** One more write, of a kind and at a place that chance chooses. */
  async write(client: AgentwireClient): Promise<void> {
    const dice = this.#random();
    const session = this.#any(this.sessions);
    const checkpoint = this.#any(this.checkpoints);
    if (session === undefined || dice < 0.08) return this.#createSession(client);
    if (dice < 0.2) return this.#update(client, session);
    if (checkpoint === undefined || dice < 0.6) return this.#createCheckpoint(client, session);
    if (dice < 0.8) return this.#restore(client, checkpoint);
    if (dice < 0.96) return this.#deleteCheckpoint(client, checkpoint);
    return this.#deleteSession(client, session);
  }

  async #createSession(client: AgentwireClient): Promise<void> {
    const made = await this.#outcome('session.create', client.sessions.create());
    if (made) this.sessions.set(made.session, 'there');
  }

  async #update(client: AgentwireClient, session: string): Promise<void> {
    const state = { written: crypto.randomUUID() };
    await this.#outcome('session.update', client.sessions.update(session, { state }));
  }

  async #createCheckpoint(client: AgentwireClient, session: string): Promise<void> {
    const given = this.#random() < 0.5 ? { state: { given: crypto.randomUUID() } } : {};
    const options = { label: 'in the storm', tags: ['storm', `of ${this.#random() < 0.5}`], ...given };
    const made = await this.#outcome('checkpoint.create', client.checkpoints.create(session, options));
    if (made) this.#keep(made);
  }

  async #restore(client: AgentwireClient, checkpoint: string): Promise<void> {
    const done = await this.#outcome('checkpoint.restore', client.checkpoints.restore(checkpoint));
    if (!done) return;
    this.#keep(done.checkpoint);
    const [wanted, got] = [this.checkpoints.get(checkpoint)!.state, done.session.state].map((one) =>
      JSON.stringify(one),
    );
    if (wanted !== got) this.faults.push(`${checkpoint} was restored as ${got}, not ${wanted}`);
  }

  async #deleteCheckpoint(client: AgentwireClient, checkpoint: string): Promise<void> {
    const known = this.checkpoints.get(checkpoint)!;
    if (known.fate === 'there') known.fate = 'unsure';
    const done = await this.#outcome(
      'checkpoint.delete',
      client.checkpoints.delete(checkpoint).then(() => true),
    );
    if (done) known.fate = 'gone';
  }

  async #deleteSession(client: AgentwireClient, session: string): Promise<void> {
    if (this.sessions.get(session) === 'there') this.sessions.set(session, 'unsure');
    const done = await this.#outcome(
      'session.delete',
      client.sessions.delete(session).then(() => true),
    );
    if (done) this.sessions.set(session, 'gone');
  }

  #keep({ checkpoint, session, state }: CheckpointRecord): void {
    this.checkpoints.set(checkpoint, { session, state, fate: 'there' });
  }

  /** Mostly one of the newest, so that many writers are at the same one; sometimes one that is gone. */
  #any(known: ReadonlyMap<string, unknown>): string | undefined {
    const names = [...known.keys()].slice(-12);
    return names[Math.floor(this.#random() * names.length)];
  }

  async #outcome<T>(kind: string, promise: Promise<T>): Promise<T | undefined> {
    const outcome = await outcomeOf(promise);
    const word = outcome === 'ok' ? 'done' : unknownOutcome.has(outcome) ? 'unknown' : 'refused';
    this.tally.set(`${kind} ${word}`, (this.tally.get(`${kind} ${word}`) ?? 0) + 1);
    if (word === 'refused' && !refusals.has(outcome)) this.faults.push(`${kind}: ${outcome}`);
    return outcome === 'ok' ? promise : undefined;
  }
}
