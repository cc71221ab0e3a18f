import type { Clock } from '../../base/clock.ts';
import { fail, ok } from '../../base/errors.ts';
import type { Failure, Result } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Engine, Records } from '../../engine/engine.ts';
import type { ProposalRecord, SwarmProposeRequest } from '../../protocol/swarms.ts';
import { boundedJson } from '../bounded.ts';
import { collect } from '../collect.ts';
import type { Collected, PageAsked } from '../collect.ts';
import { compareAndSet } from '../compare-and-set.ts';
import type { Identity } from '../identity.ts';
import { setDeadline } from './deadlines.ts';
import { Gathering } from './gathering.ts';
import {
  closed,
  endsList,
  homeOfSwarm,
  isDue,
  keptFrom,
  noProposal,
  proposalsList,
  putKept,
  recordOf,
  renewsRest,
  standingKey,
  termsKey,
  toldOfConsensus,
  toldOfProposal,
} from './proposal-record.ts';
import type { Kept, KeptTerms } from './proposal-record.ts';
import { emptyTally, proposalFault } from './rules.ts';
import { allVotesKeys, recordIndexOf, votesFrom, votesKey, votesRecords } from './votes-record.ts';
import type { VotesRecord } from './votes-record.ts';
import { count } from './voting.ts';
import type { Ballot } from './voting.ts';

export interface SwarmsParts {
  readonly engine: Pick<Engine, 'records' | 'queue'>;
  readonly clock: Clock;
  readonly options: {
    /** That a proposal may have. */
    readonly maxFrameBytes: number;
    /** A proposal is kept so long after its last change. */
    readonly metaTtlS: number;
  };
}

export type NewProposal = Omit<SwarmProposeRequest, 'type' | 'id' | 'traceparent'>;

/** How many of those whose time is over are taken off the lists by one that is new. */
const tidiedAtOnce = 8;

/**
 * What swarms decide together. Everybody may read a proposal and vote on it, nobody can change one. Each change is one
 * commit in the swarm's home, with the events that tell of it: so a tally is always that of the votes, and the
 * consensus of a proposal is told once.
 */
export class Swarms {
  readonly #records: Records;
  readonly #parts: SwarmsParts;
  readonly #gathering = new Gathering<ProposalRecord>((swarm, proposal, ballots) =>
    this.#count(swarm, proposal, ballots),
  );
  #lastRank = 0;

  constructor(parts: SwarmsParts) {
    this.#parts = parts;
    this.#records = parts.engine.records;
  }

  async propose(identity: Identity, asked: NewProposal): Promise<Result<ProposalRecord>> {
    const fault = proposalFault(asked);
    if (fault !== undefined) return fail('bad_request', fault);
    const { engine, clock, options } = this.#parts;
    const now = clock.now();
    const terms = termsOf(identity, asked, now);
    const { swarm, proposal, deadlineAt } = terms;
    const kept: Kept = { terms, standing: { tally: emptyTally(terms.options), restUntil: 0 } };
    const record = recordOf(kept);
    const text = boundedJson('the proposal', record, options.maxFrameBytes);
    if (!text.ok) return text;
    const taken = asked.proposal === undefined ? undefined : await this.#taken(swarm, proposal);
    if (taken) return taken;
    if (deadlineAt !== undefined) {
      // Before the proposal: a job that leads nowhere is dropped, but a deadline without one might pass unseen.
      const set = await setDeadline(engine, { swarm, proposal, at: deadlineAt }, now);
      if (!set.ok) return set;
    }
    const { put, rank, keepLists } = putKept(kept, [], now, this.#keptMs);
    const made = await this.#records.commit(homeOfSwarm(swarm), {
      expect: [{ key: standingKey(proposal), rev: 0 }],
      put,
      // Of another one that had this id, and that nobody knows any more.
      del: allVotesKeys(proposal),
      rank: [...rank, { list: proposalsList, key: proposal, score: this.#nextRank(now) }],
      keepLists,
      append: [toldOfProposal(record)],
    });
    if (!made.ok) return made.code === 'conflict' ? idTaken : made;
    void this.#tidy(swarm);
    return ok(record);
  }

  /** Given back as it stands afterwards. A second vote of the same voter takes the place of the first. */
  vote(swarm: string, proposal: string, ballot: Ballot): Promise<Result<ProposalRecord>> {
    return this.#gathering.cast(swarm, proposal, ballot);
  }

  async get(swarm: string, proposal: string): Promise<Result<ProposalRecord>> {
    const read = await this.#records.read(homeOfSwarm(swarm), [termsKey(proposal), standingKey(proposal)]);
    if (!read.ok) return read;
    const [terms, standing] = read.value;
    const kept = keptFrom(terms, standing);
    if (!kept) return noProposal;
    return isDue(kept, this.#parts.clock.now()) ? this.closeIfDue(swarm, proposal) : ok(recordOf(kept));
  }

  /** Newest first. */
  async list(swarm: string, asked: PageAsked): Promise<Result<{ proposals: ProposalRecord[]; cursor?: string }>> {
    if (asked.cursor !== undefined && !/^\d+:[\w-]+$/.test(asked.cursor)) {
      return fail('bad_request', 'this cursor is not from a page before');
    }
    const page = await collect(
      asked,
      (range) => this.#records.page(homeOfSwarm(swarm), proposalsList, { ...range, reverse: true }),
      (proposals) => this.#load(swarm, proposals),
    );
    if (!page.ok) return page;
    const { items: proposals, ...rest } = page.value;
    return ok({ proposals, ...rest });
  }

  /** Decides one whose deadline has passed, unless somebody was quicker. */
  closeIfDue(swarm: string, proposal: string): Promise<Result<ProposalRecord>> {
    const keys = [termsKey(proposal), standingKey(proposal)];
    return compareAndSet(this.#records, homeOfSwarm(swarm), keys, ([terms, standing]) => {
      const kept = keptFrom(terms, standing);
      if (!kept) return noProposal;
      const now = this.#parts.clock.now();
      if (!isDue(kept, now)) return ok({ value: recordOf(kept) });
      const after = closed(kept);
      const change = { ...putKept(after, [], now, this.#keptMs), append: [toldOfConsensus(after)] };
      return ok({ value: recordOf(after), change });
    });
  }

  /** As many ballots as have gathered, in one commit. */
  async #count(
    swarm: string,
    proposal: string,
    ballots: readonly Ballot[],
  ): Promise<readonly Result<ProposalRecord>[]> {
    const touched = new Set(ballots.map(({ voter }) => recordIndexOf(voter)));
    const keys = [termsKey(proposal), standingKey(proposal), ...[...touched].map((index) => votesKey(proposal, index))];
    const counted = await compareAndSet(this.#records, homeOfSwarm(swarm), keys, async (found) => {
      const [terms, standing, ...votes] = found;
      const kept = keptFrom(terms, standing);
      if (!kept) return noProposal;
      const now = this.#parts.clock.now();
      const before = isDue(kept, now) ? closed(kept) : kept;
      const { kept: after, votes: cast, refusals, told } = count(before, votesFrom(votes), ballots);
      const record = recordOf(after);
      const value = refusals.map((refusal) => refusal ?? ok(record));
      const decides = after.standing.verdict !== undefined && kept.standing.verdict === undefined;
      if (told.length === 0 && !decides) return ok({ value });
      const append = decides ? [...told, toldOfConsensus(after)] : [...told];
      const changed = votesRecords(proposal, cast, touched);
      const all = renewsRest(after, now, this.#keptMs) ? await this.#others(swarm, proposal, changed) : ok(changed);
      if (!all.ok) return all;
      return ok({ value, change: { ...putKept(after, all.value, now, this.#keptMs), append } });
    });
    return counted.ok ? counted.value : ballots.map(() => counted);
  }

  /** With the records of votes that do not change, as they are: whoever changes one, changes the standing as well. */
  async #others(swarm: string, proposal: string, changed: readonly VotesRecord[]): Promise<Result<VotesRecord[]>> {
    const keys = allVotesKeys(proposal).filter((key) => changed.every((record) => record.key !== key));
    const read = await this.#records.read(homeOfSwarm(swarm), keys);
    if (!read.ok) return read;
    const others = keys.map((key, i) => ({ key, value: read.value[i]?.value }));
    return ok([...changed, ...others.filter((record): record is VotesRecord => record.value !== undefined)]);
  }

  async #load(swarm: string, proposals: readonly string[]): Promise<Result<(Collected<ProposalRecord> | undefined)[]>> {
    const keys = [...proposals.map(termsKey), ...proposals.map(standingKey)];
    const read = await this.#records.read(homeOfSwarm(swarm), keys);
    if (!read.ok) return read;
    const now = this.#parts.clock.now();
    const loaded: (Collected<ProposalRecord> | undefined)[] = [];
    for (const [i, proposal] of proposals.entries()) {
      const terms = read.value[i];
      const kept = keptFrom(terms, read.value[proposals.length + i]);
      const found = kept && (isDue(kept, now) ? await this.closeIfDue(swarm, proposal) : ok(recordOf(kept)));
      if (found && !found.ok && found.code !== 'not_found') return found;
      loaded.push(terms && found?.ok ? { bytes: terms.value.length, parse: () => found.value } : undefined);
    }
    return ok(loaded);
  }

  async #taken(swarm: string, proposal: string): Promise<Failure | undefined> {
    const read = await this.#records.read(homeOfSwarm(swarm), [standingKey(proposal)]);
    if (!read.ok) return read;
    return read.value[0] ? idTaken : undefined;
  }

  /** Where a swarm goes on, its lists do: who adds to them takes out what leads nowhere. */
  async #tidy(swarm: string): Promise<void> {
    const home = homeOfSwarm(swarm);
    const page = await this.#records.page(home, endsList, { limit: tidiedAtOnce });
    if (!page.ok) return;
    const { keys } = page.value;
    const read = await this.#records.read(home, keys.map(standingKey));
    if (!read.ok) return;
    const gone = keys.filter((_, i) => !read.value[i]);
    if (gone.length === 0) return;
    await this.#records.commit(home, {
      expect: gone.map((proposal) => ({ key: standingKey(proposal), rev: 0 })),
      rank: gone.flatMap((key) => [proposalsList, endsList].map((list) => ({ list, key, score: null }))),
    });
  }

  get #keptMs(): number {
    return this.#parts.options.metaTtlS * 1000;
  }

  /** Microseconds, so that those of the same millisecond and gateway stand in the order in which they were proposed. */
  #nextRank(now: number): number {
    return (this.#lastRank = Math.max(this.#lastRank + 1, now * 1000));
  }
}

function termsOf(identity: Identity, asked: NewProposal, createdAt: number): KeptTerms {
  const { swarm, proposal = newId(), title, data, options, voters, quorum, threshold, deadlineMs } = asked;
  return {
    proposal,
    swarm,
    title,
    ...(data === undefined ? {} : { data }),
    options,
    ...(voters === undefined ? {} : { voters }),
    ...(quorum === undefined ? {} : { quorum }),
    threshold,
    createdAt,
    ...(deadlineMs === undefined ? {} : { deadlineAt: createdAt + deadlineMs }),
    owner: identity.id,
  };
}

const idTaken = fail('conflict', 'there is a proposal of this id already');
