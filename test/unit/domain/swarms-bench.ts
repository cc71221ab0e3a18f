import { ManualClock } from '../../../shared/base/clock.ts';
import { keepDeadline } from '../../../shared/domain/swarms/deadlines.ts';
import { Swarms } from '../../../shared/domain/swarms/swarms.ts';
import type { NewProposal } from '../../../shared/domain/swarms/swarms.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import type { ProposalRecord } from '../../../shared/protocol/swarms.ts';
import type { SwarmConsensus, SwarmVote } from '../../../shared/protocol/well-known.ts';
import { alice, got } from './runs-bench.ts';

export const keptS = 1000;

/** One swarm on one store, seen by as many processes as a test wants. */
export class SwarmStage {
  readonly clock = new ManualClock();
  readonly engine = createMemoryEngine({
    historySize: 100_000,
    historyTtlMs: 1e12,
    metaTtlMs: 1e12,
    clock: this.clock,
  });
  readonly swarms = this.process();

  process(engine: Engine = this.engine): Swarms {
    return new Swarms({ engine, clock: this.clock, options: { maxFrameBytes: 1_000_000, metaTtlS: keptS } });
  }

  propose(asked: Partial<NewProposal> = {}, by: Swarms = this.swarms): Promise<ProposalRecord> {
    return got(by.propose(alice, newProposal(asked)));
  }

  /** A worker that takes deadlines. */
  async work(by: Swarms = this.swarms): Promise<void> {
    await got(
      this.engine.queue('deadlines').consume({ slots: 4, work: ({ data }) => keepDeadline(by, data, this.clock) }),
    );
  }

  async pass(ms: number, steps = 10): Promise<void> {
    for (let i = 1; i <= steps; i++) {
      // Whole milliseconds, as the clock of a machine has them.
      this.clock.advance(Math.floor((ms * i) / steps) - Math.floor((ms * (i - 1)) / steps));
      for (let turns = 0; turns < 6; turns++) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async told<T>(kind: 'proposal' | 'vote' | 'consensus'): Promise<T[]> {
    const { events } = await got(this.engine.log.read(`swarm.s.${kind}`, { limit: 1000 }));
    return events.map(({ body }) => (JSON.parse(body) as { data: T }).data);
  }

  consensus(): Promise<SwarmConsensus[]> {
    return this.told('consensus');
  }

  votes(): Promise<SwarmVote[]> {
    return this.told('vote');
  }
}

export function newProposal(asked: Partial<NewProposal> = {}): NewProposal {
  return { swarm: 's', proposal: 'p', title: 'North?', options: ['yes', 'no', 'abstain'], threshold: 0.5, ...asked };
}
