import { fail, ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Append, Engine } from '../../engine/engine.ts';
import type { RunEvent } from '../../protocol/run-events.ts';
import { eventBody, withTraceparent } from '../../wire/event-frame.ts';
import { asTask } from './as-task.ts';
import type { Step } from './machine.ts';
import { isOver, topicOf } from './run.ts';
import type { Run } from './run.ts';

/** A run that has ended can be looked up for so long. */
export const keptAfterEndMs = 24 * 60 * 60 * 1000;
/** Of those that change one run at the same moment one wins; the others look again. */
const tries = 20;

const recordKey = 'run';
const inputKey = 'input';
/** What is still to be written into the session; there until it is. */
const outcomeKey = 'outcome';

/** What a run was started with. `said` is how it stands among the session's messages, where that is not the input itself. */
export interface Asked {
  readonly input: unknown;
  readonly said?: unknown;
}

/** The run as it stands, at its rev. */
export interface Standing {
  readonly run: Run;
  readonly rev: number;
}

/** What the session gets from a run that ended, behind what the user said: the agent's messages, in order. */
export interface Outcome {
  readonly messages: readonly { readonly role: string; readonly content: unknown }[];
}

/**
 * The records of runs, one home each. A record and the events that tell of it change in one commit; the fence of the
 * record goes with every event, and the one that ends the run seals its topic.
 */
export class RunStore {
  readonly #records: Engine['records'];
  readonly #historySize: number;

  constructor(engine: Pick<Engine, 'records'>, options: { historySize: number }) {
    this.#records = engine.records;
    this.#historySize = options.historySize;
  }

  async load(invocation: string): Promise<Result<Standing>> {
    const read = await this.#records.read(topicOf(invocation), [recordKey]);
    return read.ok ? standing(read.value[0]) : read;
  }

  async loadWithInput(invocation: string): Promise<Result<Standing & { asked: Asked }>> {
    const read = await this.#records.read(topicOf(invocation), [recordKey, inputKey]);
    if (!read.ok) return read;
    const found = standing(read.value[0]);
    const input = read.value[1];
    // An ended run's is gone, or soon will be.
    const asked = input ? (JSON.parse(input.value) as Asked) : { input: null };
    return found.ok ? ok({ ...found.value, asked }) : found;
  }

  /** `conflict` where a run of this id was started already, whether or not its record is still kept. */
  async create(run: Run, asked: Asked): Promise<Result<Standing>> {
    const appends = this.appendsFor(run, [{ kind: 'queued' }]);
    if (!appends.ok) return appends;
    const made = await this.#records.commit(topicOf(run.invocation), {
      expect: [{ key: recordKey, rev: 0 }],
      put: [
        { key: recordKey, value: JSON.stringify(run) },
        { key: inputKey, value: JSON.stringify(asked) },
      ],
      append: [...appends.value, ...asTask(undefined, run)],
    });
    return made.ok ? ok({ run, rev: 1 }) : made;
  }

  /**
   * Decides on the run as it stands and commits what comes of it; where another was quicker, decides again. `known` is
   * what the caller saw last: right most of the time, it saves the reading. `said` goes into the log ahead of the step's
   * own events, in the same commit; a step that changes nothing commits nothing, and leaves it with the caller.
   */
  async change(
    invocation: string,
    decide: (run: Run) => Result<Step & { outcome?: Outcome; said?: readonly Append[] }>,
    known?: Standing,
  ): Promise<Result<Standing & { before: Run }>> {
    let seen = known;
    for (let attempt = 0; attempt < tries; attempt += 1) {
      if (!seen) {
        const loaded = await this.load(invocation);
        if (!loaded.ok) return loaded;
        seen = loaded.value;
      }
      const decided = decide(seen.run);
      if (!decided.ok) {
        // Refused on the ground of something old: look at it as it is.
        if (seen !== known) return decided;
        seen = undefined;
        continue;
      }
      const { run } = decided.value;
      if (run === seen.run) return ok({ ...seen, before: run });
      const committed = await this.#commit(seen, decided.value);
      if (committed.ok) return ok({ run, rev: seen.rev + 1, before: seen.run });
      if (committed.code !== 'conflict') return committed;
      seen = undefined;
    }
    return fail('busy', 'too many change this run at once');
  }

  /** Of a run that ended: what its session has not got yet. Nothing where it has, or where there is no session. */
  async outcome(invocation: string): Promise<Result<(Outcome & { said: unknown }) | undefined>> {
    const read = await this.#records.read(topicOf(invocation), [inputKey, outcomeKey]);
    if (!read.ok) return read;
    const [input, kept] = read.value;
    if (!input) return ok(undefined);
    const asked = JSON.parse(input.value) as Asked;
    const said = asked.said === undefined ? asked.input : asked.said;
    // One that ended before anybody worked on it has nothing but this.
    const { messages } = kept ? (JSON.parse(kept.value) as Outcome) : { messages: [] };
    return ok({ said, messages });
  }

  /** The session has it. */
  forgetOutcome(invocation: string): Promise<Result<unknown>> {
    return this.#records.commit(topicOf(invocation), { del: [inputKey, outcomeKey] });
  }

  /** The run's events as appends of its topic. An event that is not plain data is refused, by name. */
  appendsFor(run: Run, events: readonly RunEvent[]): Result<Append[]> {
    const topic = topicOf(run.invocation);
    const appends: Append[] = [];
    for (const event of events) {
      const body = eventBody(event);
      if (!body.ok) return body;
      const text = run.trace !== undefined && isTurn(event) ? withTraceparent(body.value, run.trace) : body.value;
      appends.push({ topic, body: text, keep: this.#historySize, fence: run.fence });
    }
    const last = appends.at(-1);
    if (last && isOver(run)) last.seal = true;
    return ok(appends);
  }

  #commit(
    { run: before, rev }: Standing,
    change: Step & { outcome?: Outcome; said?: readonly Append[] },
  ): Promise<Result<unknown>> {
    const { run, events, outcome, said = [] } = change;
    const append = this.appendsFor(run, events);
    if (!append.ok) return Promise.resolve(append);
    const record = { key: recordKey, value: JSON.stringify(run) };
    const over = isOver(run);
    // What was said belongs to the session: it stays, and the outcome with it, until the session has them.
    const owed = over && run.session !== undefined;
    return this.#records.commit(topicOf(run.invocation), {
      expect: [{ key: recordKey, rev }],
      put: [
        over ? { ...record, ttlMs: keptAfterEndMs } : record,
        ...(owed && outcome ? [{ key: outcomeKey, value: JSON.stringify(outcome) }] : []),
      ],
      ...(over && !owed ? { del: [inputKey] } : {}),
      append: [...said, ...append.value, ...asTask(before, run)],
    });
  }
}

/** What tells of the run's way from hand to hand. Of all that an agent says, a trace would be longer than its output. */
function isTurn({ kind }: RunEvent): boolean {
  return kind === 'queued' || kind === 'started' || kind === 'completed' || kind === 'cancelled' || kind === 'failed';
}

function standing(stored: { value: string; rev: number } | undefined): Result<Standing> {
  return stored
    ? ok({ run: JSON.parse(stored.value) as Run, rev: stored.rev })
    : fail('not_found', 'there is no such run');
}
