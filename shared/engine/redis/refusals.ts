import { fail, type Failure } from '../../base/errors.ts';

/** Full, unable to save, a replica, or without enough replicas. A script is refused before its first change. */
const noChanges = ['OOM', 'MISCONF', 'READONLY', 'NOREPLICAS'];
/** Redis 6 has words before the code that a command in a script was answered with, and so has `error` of Lua. */
const codeFirst = /^(?:ERR .*?user_script:\s?\d+: -?)?([A-Z]{2,})\b/;
/** A full Redis refuses hundreds of calls a second. */
const quietMs = 10_000;

/** The code of what Redis answered instead of doing it. */
export function codeOfRefusal(message: string): string {
  return codeFirst.exec(message)?.[1] ?? '';
}

interface Said {
  readonly at: number;
  unsaid: number;
}

/** What Redis answered instead of doing what it was told: for the client, the log and the figures. */
export class Refusals {
  readonly #warn: (message: string) => void;
  /** By the code, of which Redis has some thirty. */
  readonly #said = new Map<string, Said>();
  #changes = 0;

  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  /** How often it took no change. */
  get changes(): number {
    return this.#changes;
  }

  refused(where: string, message: string): Failure {
    const code = codeOfRefusal(message);
    this.#say(where, code, message);
    if (!noChanges.includes(code)) return fail('unavailable');
    this.#changes++;
    return fail('unavailable', 'the store can be reached, but takes no changes now');
  }

  #say(where: string, code: string, message: string): void {
    const said = this.#said.get(code);
    const now = performance.now();
    if (said && now - said.at < quietMs) {
      said.unsaid++;
      return;
    }
    const more = said?.unsaid ? `; ${said.unsaid} more with ${code} since that was last said` : '';
    this.#warn(`Redis at ${where} refused a command: ${message}${more}`);
    this.#said.set(code, { at: now, unsaid: 0 });
  }
}
