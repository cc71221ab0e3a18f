import type { Result } from '../../base/errors.ts';
import { ok } from '../../base/errors.ts';
import type { Stored } from '../engine.ts';
import { recordsScript } from './scripts/record-reads.ts';
import { callScript } from './scripts/script.ts';
import type { Store } from './store.ts';

/**
 * So many records one call reads, unless a single question is for more: one may be as large as a message, and Redis does
 * nothing else meanwhile. With 32 questions for 50 records of 100 KB each that was a third of a second.
 */
const mostAtOnce = 32;

type Found = (Stored | undefined)[];

interface Question {
  readonly partition: number;
  readonly names: readonly string[];
  readonly resolve: (result: Result<Found>) => void;
}

/** The questions of one call. */
interface Group {
  readonly questions: Question[];
  records: number;
}

/** Reads records by their keys. What is asked for in one turn of the loop is one call: to one server, or to one partition of a cluster. */
export class RecordReads {
  readonly #store: Store;
  #asked: Question[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  read(partition: number, names: readonly string[]): Promise<Result<Found>> {
    if (this.#asked.length === 0) setImmediate(() => this.#ask());
    return new Promise((resolve) => {
      this.#asked.push({ partition, names, resolve });
    });
  }

  #ask(): void {
    const groups = new Map<number, Group>();
    for (const question of this.#asked) {
      const server = this.#store.sharded ? question.partition : 0;
      const records = question.names.length;
      const group = groups.get(server);
      if (group && group.records + records <= mostAtOnce) {
        group.questions.push(question);
        group.records += records;
        continue;
      }
      if (group) void this.#send(group.questions);
      groups.set(server, { questions: [question], records });
    }
    this.#asked = [];
    for (const { questions } of groups.values()) void this.#send(questions);
  }

  async #send(questions: readonly Question[]): Promise<void> {
    const names = questions.flatMap((question) => question.names);
    const args = [String(names.length), ...names];
    const answer = await this.#store.run(
      questions[0]?.partition ?? 0,
      (redis, asking) => callScript(redis, recordsScript, args, asking) as Promise<(string | null)[]>,
    );
    let next = 0;
    for (const question of questions) {
      const from = next;
      next += question.names.length;
      question.resolve(answer.ok ? ok(question.names.map((_, i) => stored(answer.value, from + i))) : answer);
    }
  }
}

function stored(answer: readonly (string | null)[], i: number): Stored | undefined {
  const value = answer[2 * i];
  return value === null || value === undefined ? undefined : { value, rev: Number(answer[2 * i + 1]) };
}
