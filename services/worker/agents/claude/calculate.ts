import { fail, ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';

/** Brackets and signs inside of each other: each is a call on the stack. */
const deepest = 200;
const token = /\s*(?:(\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)|(\*\*|[-+*/%^()]))/iy;

const operators: Readonly<Record<string, { rank: number; of: (a: number, b: number) => number }>> = {
  '+': { rank: 1, of: (a, b) => a + b },
  '-': { rank: 1, of: (a, b) => a - b },
  '*': { rank: 2, of: (a, b) => a * b },
  '/': { rank: 2, of: (a, b) => a / b },
  '%': { rank: 2, of: (a, b) => a % b },
};

/** What stands in the way of a result; it never leaves this file. */
class Refused extends Error {}

/** Sums, products, remainders, powers and brackets: by a reader of its own, since what a model writes is never run. */
export function calculate(expression: string): Result<number> {
  try {
    const value = new Reader(tokensOf(expression)).all();
    return Number.isFinite(value) ? ok(value) : fail('bad_request', 'the result is no finite number');
  } catch (error) {
    if (error instanceof Refused) return fail('bad_request', error.message);
    throw error;
  }
}

function tokensOf(expression: string): (number | string)[] {
  const tokens: (number | string)[] = [];
  const text = expression.trimEnd();
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const at = token.lastIndex;
    const found = token.exec(text);
    if (!found) throw new Refused(`${JSON.stringify(text.slice(at, at + 20).trim())} is no number and no operator`);
    tokens.push(found[1] === undefined ? found[2]!.replace('**', '^') : Number(found[1]));
  }
  return tokens;
}

class Reader {
  readonly #tokens: readonly (number | string)[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly (number | string)[]) {
    this.#tokens = tokens;
  }

  all(): number {
    const value = this.#chain(1);
    if (this.#at < this.#tokens.length) throw new Refused(`${String(this.#tokens[this.#at])} is not expected there`);
    return value;
  }

  /** Operators of this rank, from left to right; those above bind closer. */
  #chain(rank: number): number {
    if (rank > 2) return this.#signed();
    let value = this.#chain(rank + 1);
    for (;;) {
      const next = operators[String(this.#tokens[this.#at])];
      if (next?.rank !== rank) return value;
      this.#at += 1;
      value = next.of(value, this.#chain(rank + 1));
    }
  }

  /** A power binds closer than the sign before it, -2^2 is -4, and from right to left. */
  #signed(): number {
    if (++this.#depth > deepest) throw new Refused(`over ${deepest} brackets, signs or powers inside of each other`);
    try {
      if (this.#take('-')) return -this.#signed();
      if (this.#take('+')) return this.#signed();
      const base = this.#operand();
      return this.#take('^') ? base ** this.#signed() : base;
    } finally {
      this.#depth -= 1;
    }
  }

  #operand(): number {
    const next = this.#tokens[this.#at];
    if (typeof next === 'number') {
      this.#at += 1;
      return next;
    }
    if (!this.#take('('))
      throw new Refused(`a number is missing ${next === undefined ? 'at the end' : `before ${next}`}`);
    const value = this.#chain(1);
    if (!this.#take(')')) throw new Refused('a bracket is not closed');
    return value;
  }

  #take(operator: string): boolean {
    if (this.#tokens[this.#at] !== operator) return false;
    this.#at += 1;
    return true;
  }
}
