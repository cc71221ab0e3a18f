import type { Clock } from '../../base/clock.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { PublishResult } from '../../protocol/publish.ts';
import type { AgentStatus } from '../../protocol/well-known.ts';
import { notPlain } from '../../wire/plain.ts';
import type { AgentwireClient } from '../client.ts';
import { AgentwireError } from '../errors.ts';
import type { AgentwireEvent } from '../events.ts';
import { stamped } from './channel.ts';
import { saysTheSame } from './same.ts';

/** As many as the broker lets one connection speak for. */
const mostAgents = 10_000;
/** The connection has other things to ask as well. */
const atOnce = 32;
/** After a refusal for now. */
const againMs = 1000;
/** With any other refusal the status was not taken, `busy` for instance: it was not even sent, for want of room. */
const outcomeUnknown: ReadonlySet<ErrorCode> = new Set(['unavailable', 'timeout', 'internal']);

interface Own {
  readonly event: AgentStatus;
  /** As it was published. */
  readonly said: AgentStatus;
}

type Publish = (event: AgentStatus, messageId: string) => Promise<PublishResult>;

/**
 * How the agents stand that a client reports for. When a connection is lost the broker says `offline` for them, at once
 * or, where a gateway was killed, later; only what is published on the new connection keeps it from that. So the last
 * status of each is said again, unless somebody else has spoken for the agent meanwhile: that one speaks for it now.
 */
export class OwnStatuses {
  readonly #client: AgentwireClient;
  readonly #publish: Publish;
  readonly #clock: Clock;
  /** By this its events are known from those of others. */
  readonly #name = newId();
  #count = 0;
  /** What the broker took, or may have taken: copies, since the application may change what it handed over. */
  readonly #last = new Map<string, Own>();
  /** By agent: until all that was said of it has its answer. Whether the last of that was taken just then. */
  readonly #open = new Map<string, Promise<boolean>>();
  /** Another one with each connection: what was begun on an older one counts no more. */
  #turn = 0;
  readonly #refused = new Set<string>();
  #cancelRetry: (() => void) | undefined;
  readonly #undo: readonly (() => void)[];

  constructor(client: AgentwireClient, publish: Publish, clock: Clock) {
    this.#client = client;
    this.#publish = publish;
    this.#clock = clock;
    this.#undo = [
      client.on('disconnected', () => this.#giveUp()),
      client.on('connected', ({ again }) => {
        if (again) this.#sayAgain(new Set([...this.#last.keys(), ...this.#open.keys()]));
      }),
    ];
  }

  /** Says nothing again any more. */
  end(): void {
    for (const each of this.#undo) each();
    this.#giveUp();
  }

  report(event: AgentStatus): Promise<PublishResult> {
    const { agentId } = event;
    const said = stamped(event);
    const copy = notPlain(event) === undefined ? (JSON.parse(JSON.stringify({ event, said })) as Own) : undefined;
    this.#count += 1;
    const publishing = this.#publish(said, `${this.#name}.${this.#count}`);
    const answer = publishing.then(
      ({ duplicate = false }) => ({ counts: true, taken: !duplicate }),
      (error: unknown) => ({ counts: mayBeTaken(error), taken: false }),
    );
    const open = Promise.all([answer, this.#open.get(agentId)]).then(([{ counts, taken }]) => {
      if (counts && copy) this.#keep(copy);
      if (this.#open.get(agentId) === open) this.#open.delete(agentId);
      return taken;
    });
    this.#open.set(agentId, open);
    return publishing;
  }

  #keep(own: Own): void {
    const { agentId, status } = own.event;
    this.#last.delete(agentId);
    if (status === 'offline') return;
    const [oldest] = this.#last.keys();
    if (this.#last.size >= mostAgents && oldest !== undefined) this.#last.delete(oldest);
    this.#last.set(agentId, own);
  }

  #giveUp(): void {
    this.#turn += 1;
    this.#refused.clear();
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
  }

  #sayAgain(agents: Iterable<string>): void {
    const turn = this.#turn;
    const left = agents[Symbol.iterator]();
    const work = async (): Promise<void> => {
      for (let next = left.next(); !next.done && turn === this.#turn; next = left.next())
        await this.#sayOneAgain(next.value, turn);
    };
    for (let i = 0; i < atOnce; i += 1) void work();
  }

  async #sayOneAgain(agent: string, turn: number): Promise<void> {
    // What a lost connection left is sent again first, and may be known from before the `offline`.
    for (let open = this.#open.get(agent); open; open = this.#open.get(agent)) if (await open) return;
    const own = this.#last.get(agent);
    if (!own || turn !== this.#turn) return;
    try {
      const isOwn = await this.#isOwn(agent, own);
      // Whoever reports anew on this connection needs nothing to be said again.
      if (turn !== this.#turn || this.#open.has(agent) || this.#last.get(agent) !== own) return;
      if (isOwn) await this.report(own.event);
      else this.#last.delete(agent);
    } catch (error) {
      if (turn === this.#turn && isForNow(error)) this.#later(agent);
    }
  }

  #later(agent: string): void {
    this.#refused.add(agent);
    this.#cancelRetry ??= this.#clock.later(againMs, () => {
      const agents = [...this.#refused];
      this.#refused.clear();
      this.#cancelRetry = undefined;
      this.#sayAgain(agents);
    });
  }

  /** Whether nobody else has spoken for the agent since. */
  async #isOwn(agent: string, { said }: Own): Promise<boolean> {
    const last = await this.#lastOf(agent);
    if (!last || last.messageId?.startsWith(this.#name)) return true;
    const { status, reason } = last.data as Partial<Record<string, unknown>>;
    if (status === 'offline' && reason === 'disconnected') return true;
    // A gateway that was taken for dead says again, under no name, what it was told last.
    return last.messageId === undefined && saysTheSame(last.data, said);
  }

  /** Who may not read what it publishes cannot know who else spoke, and says it again. */
  async #lastOf(agent: string): Promise<Pick<AgentwireEvent, 'data' | 'messageId'> | undefined> {
    try {
      const { events } = await this.#client.history(`agent.${agent}.status`, { reverse: true, limit: 1 });
      return events[0];
    } catch (error) {
      if (error instanceof AgentwireError && error.code === 'forbidden') return undefined;
      throw error;
    }
  }
}

function mayBeTaken(error: unknown): boolean {
  return error instanceof AgentwireError && outcomeUnknown.has(error.code);
}

function isForNow(error: unknown): boolean {
  return error instanceof AgentwireError && error.retryable;
}
