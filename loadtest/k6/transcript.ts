import { Numbering } from './numbering.ts';
import type { Faults } from './numbering.ts';

export interface RunEvent {
  readonly seq: number;
  readonly data: { readonly kind: string; readonly text?: string };
}

const terminal: ReadonlySet<string> = new Set(['completed', 'cancelled', 'failed']);

/** The events of one run of `echo`, held against what it was told. */
export class Transcript {
  readonly #input: string;
  readonly #seqs = new Numbering(1);
  #text = '';
  #chunks = 0;
  #ends: string[] = [];
  #after = 0;

  constructor(input: string) {
    this.#input = input;
  }

  get ended(): boolean {
    return this.#ends.length > 0;
  }

  take({ seq, data: { kind, text = '' } }: RunEvent): 'first chunk' | undefined {
    if (!this.#seqs.take(seq)) return undefined;
    if (this.ended) this.#after++;
    if (terminal.has(kind)) this.#ends.push(kind);
    // The run began anew, and what it said before is void.
    if (kind === 'started') this.#text = '';
    if (kind !== 'chunk') return undefined;
    this.#text += text;
    return this.#chunks++ === 0 ? 'first chunk' : undefined;
  }

  /** `head` is the last number of the run's topic. */
  end(head: number): { readonly faults: Faults; readonly wrong: readonly string[] } {
    const wrong: string[] = [];
    if (this.#ends.join() !== 'completed') wrong.push(`it ended with ${this.#ends.join() || 'nothing'}`);
    if (this.#after > 0) wrong.push(`${this.#after} events came after its end`);
    if (this.#text !== this.#input) wrong.push(`it was told ${this.#input} and said ${this.#text}`);
    return { faults: this.#seqs.end(head), wrong };
  }
}
