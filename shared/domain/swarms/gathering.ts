import { must } from '../../base/assert.ts';
import { fail } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Ballot } from './voting.ts';

/** What is counted in one commit. */
const atOnce = 256;
/** For one proposal at one gateway. */
const mostWaiting = 10_000;

interface Waiting<T> {
  readonly ballot: Ballot;
  readonly resolve: (result: Result<T>) => void;
  readonly reject: (error: unknown) => void;
}

type CastAll<T> = (swarm: string, proposal: string, ballots: readonly Ballot[]) => Promise<readonly Result<T>[]>;

/** While the votes of one commit are on their way, those for the same proposal gather for the next one. */
export class Gathering<T> {
  readonly #castAll: CastAll<T>;
  readonly #waiting = new Map<string, Waiting<T>[]>();

  constructor(castAll: CastAll<T>) {
    this.#castAll = castAll;
  }

  cast(swarm: string, proposal: string, ballot: Ballot): Promise<Result<T>> {
    const name = nameOf(swarm, proposal);
    const before = this.#waiting.get(name);
    if (before && before.length >= mostWaiting) return Promise.resolve(fail('busy', 'too many vote at once'));
    return new Promise((resolve, reject) => {
      const waiting = before ?? [];
      waiting.push({ ballot, resolve, reject });
      if (before) return;
      this.#waiting.set(name, waiting);
      void this.#work(swarm, proposal, waiting);
    });
  }

  async #work(swarm: string, proposal: string, waiting: Waiting<T>[]): Promise<void> {
    while (waiting.length > 0) {
      const some = waiting.splice(0, atOnce);
      try {
        const results = await this.#castAll(
          swarm,
          proposal,
          some.map(({ ballot }) => ballot),
        );
        for (const [i, { resolve }] of some.entries()) resolve(must(results[i]));
      } catch (error) {
        for (const { reject } of some) reject(error);
      }
    }
    // In the turn of the last look: whoever comes now begins anew.
    this.#waiting.delete(nameOf(swarm, proposal));
  }
}

/** Neither of the two holds a dot. */
const nameOf = (swarm: string, proposal: string): string => `${swarm}.${proposal}`;
