import type { Failure, Result } from '../../../../shared/base/errors.ts';
import { fail } from '../../../../shared/base/errors.ts';
import { isMap } from '../../../../shared/protocol/common.ts';
import { runEnds } from '../../../../shared/protocol/run-events.ts';
import type { Client } from '../../core/client.ts';
import type { OutputOf } from '../../core/operations.ts';
import { watchedRuns } from './watched.ts';

/** Runs that ended are known by their session for as long as a slow client may still be given events of them. */
const endedKept = 64;
const pageOfRuns = 100;

type Act = (invocation: string) => void;
type Refuse = (failure: Failure) => void;

/**
 * The runs of one session as one chat sees them: its own, those that go on when it comes back, and those that others
 * start, over whichever dialect. Each is attached to once, from its first event.
 */
export class SessionRuns {
  readonly #client: Client;
  readonly #session: string;
  readonly #onEnd: () => void;
  readonly #known = new Set<string>();
  readonly #ended: string[] = [];
  #listening = false;
  #watching = false;
  #stopped = false;

  /** `onEnd` is called when one of them has ended. */
  constructor(client: Client, session: string, onEnd: () => void) {
    this.#client = client;
    this.#session = session;
    this.#onEnd = onEnd;
  }

  /** Something is being answered: whatever began now would seem to begin the answer anew. */
  get answering(): boolean {
    for (const invocation of this.#known) {
      if (watchedRuns.get(invocation)?.begunAt && !this.#ended.includes(invocation)) return true;
    }
    return false;
  }

  /** Hears of runs first and lists them then, so that none begins unseen in between. Where the store is away, the next message tries again. */
  watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    const listed = (result: Result<unknown>): void => {
      if (!result.ok) this.#watching = false;
    };
    const list = (): void => this.eachOpen((invocation) => this.#attach(invocation), listed);
    if (this.#listening) {
      list();
      return;
    }
    this.#client.listen(
      `session.${this.#session}.runs`,
      (data) => this.#heard(data),
      (listening) => {
        this.#listening = listening.ok;
        if (listening.ok) list();
        else listed(listening);
      },
    );
  }

  /** One that is known is not attached to again: it may have ended by now, and would then come from the beginning. */
  follow({ run, attach }: OutputOf<'attach'>): void {
    if (this.#stopped || this.#known.has(run.invocation)) return;
    this.#known.add(run.invocation);
    watchedRuns.add(run.invocation, this.#session);
    attach();
  }

  /** Those that have not ended. They are among the newest, since one follows the other: behind a page without any nobody looks. */
  eachOpen(act: Act, done: (listed: Result<unknown>) => void, cursor?: string): void {
    const page = { session: this.#session, limit: pageOfRuns, ...(cursor === undefined ? {} : { cursor }) };
    this.#client.perform('runs', page, (listed) => {
      if (!listed.ok) return done(listed);
      const open = listed.value.invocations.filter(({ state }) => !runEnds.has(state));
      for (const { invocation } of open) act(invocation);
      if (open.length === 0 || listed.value.cursor === undefined) done(listed);
      else this.eachOpen(act, done, listed.value.cursor);
    });
  }

  /** A run of another session is none of this chat's, even where it is of the same identity. */
  ifOfSession(invocation: string, act: Act, refuse: Refuse): void {
    this.#client.perform('status', { invocation }, (found) => {
      if (!found.ok) refuse(found);
      else if (found.value.invocation.session === this.#session) act(invocation);
      else refuse(fail('not_found', 'there is no such run in this session'));
    });
  }

  stop(): void {
    this.#stopped = true;
    for (const invocation of this.#known) watchedRuns.release(invocation);
    this.#known.clear();
  }

  #heard(data: unknown): void {
    if (!isMap(data)) return;
    const { kind, invocation } = data;
    if (typeof invocation !== 'string') return;
    // One that ends unknown was announced before it could be heard of, and written after it could be listed.
    if (!this.#known.has(invocation)) this.#attach(invocation);
    else if (kind === 'ended') {
      this.#forget(this.#ended.push(invocation));
      this.#onEnd();
    }
  }

  #attach(invocation: string): void {
    if (this.#known.has(invocation)) return;
    this.#client.perform('attach', { invocation, announced: true }, (attached) => {
      if (attached.ok) this.follow(attached.value);
      else this.#watching = false;
    });
  }

  #forget(ended: number): void {
    if (ended <= endedKept) return;
    const invocation = this.#ended.shift()!;
    if (this.#known.delete(invocation)) watchedRuns.release(invocation);
  }
}
