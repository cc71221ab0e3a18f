import type { Usage } from '@anthropic-ai/sdk/resources/messages/messages';

type Counted = 'input_tokens' | 'output_tokens' | 'cache_read_input_tokens' | 'cache_creation_input_tokens';
export type Counts = Pick<Usage, Counted>;

export interface Spent {
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
}

/** Tokens of an attempt, over all its requests. Told as they are known, so that a run that is cancelled shows them, too. */
export class Spending {
  readonly #tell: (spent: Spent) => void;
  #before: Spent = { requests: 0, inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };
  #spent: Spent = this.#before;

  constructor(tell: (spent: Spent) => void) {
    this.#tell = tell;
  }

  get spent(): Spent {
    return this.#spent;
  }

  begin(): void {
    this.#before = { ...this.#spent, requests: this.#spent.requests + 1 };
  }

  /** What the request under way has come to: counts of the API go up, and are not to be added. */
  came(usage: Counts): void {
    const before = this.#before;
    this.#spent = {
      requests: before.requests,
      inputTokens: before.inputTokens + usage.input_tokens,
      outputTokens: before.outputTokens + usage.output_tokens,
      cacheReadTokens: before.cacheReadTokens + (usage.cache_read_input_tokens ?? 0),
      cacheWriteTokens: before.cacheWriteTokens + (usage.cache_creation_input_tokens ?? 0),
    };
    this.#tell(this.#spent);
  }
}
