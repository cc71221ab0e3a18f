import { fail, ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import type { Health, OwnHealth } from '../core/health.ts';
import type { Endings } from '../../process/process.ts';
import { ownNumber } from './child.ts';
import type { FromChild, FromParent, Question } from './messages.ts';

/** The parent answers within a second, also when others do not. Silent for longer, it is in no state to judge. */
const patienceMs = 2000;

interface Asked {
  readonly answer: Promise<Result<string>>;
  readonly settle: (answer: Result<string>) => void;
  readonly id: number;
}

/** One of several processes, in its talk with the parent that started it. */
export class ParentLink {
  readonly number: number;
  #own: OwnHealth | undefined = undefined;
  #lastId = 0;
  /** One question of a kind at a time; whoever has the same one meanwhile shares its answer. */
  readonly #asked = new Map<Question, Asked>();

  constructor(number: number) {
    this.number = number;
    process.on('message', (message) => void this.#take(message as FromParent));
  }

  listening(port: number): void {
    send({ kind: 'listening', port });
  }

  /**
   * The parent says when, once: a signal that reached the whole group of processes (Ctrl-C, a service manager) reaches
   * each twice. Without its parent a process ends, too: nobody would start it again or count it.
   */
  readonly endings: Endings = (end) => {
    let told = false;
    const once = (): void => {
      if (!told) end();
      told = true;
    };
    process.on('SIGTERM', once);
    process.on('SIGINT', () => {});
    process.on('disconnect', once);
    if (!process.connected) once();
  };

  /** What all processes say together, this one among them. */
  readonly health = (own: OwnHealth): Health => {
    this.#own = own;
    return {
      status: async () => {
        const answer = await this.#ask('status');
        return answer.ok ? answer.value : answer.message;
      },
      metrics: () => this.#ask('metrics'),
    };
  };

  #ask(question: Question): Promise<Result<string>> {
    const asked = this.#asked.get(question);
    if (asked) return asked.answer;
    const id = ++this.#lastId;
    let settle: Asked['settle'] = () => {};
    const answer = new Promise<Result<string>>((resolve) => {
      const timer = setTimeout(() => settle(fail('timeout', 'the parent process does not answer')), patienceMs);
      settle = (settled) => {
        clearTimeout(timer);
        this.#asked.delete(question);
        resolve(settled);
      };
    });
    this.#asked.set(question, { answer, settle, id });
    send({ kind: 'ask', id, question });
    return answer;
  }

  async #take(message: FromParent): Promise<void> {
    if (message.kind === 'answer') {
      for (const asked of this.#asked.values()) if (asked.id === message.id) asked.settle(ok(message.text));
    } else if (this.#own) {
      const { id, question } = message;
      const status = this.#own.status();
      if (question === 'status') send({ kind: 'told', id, status });
      else send({ kind: 'told', id, status, snapshot: await this.#own.snapshot() });
    }
  }
}

/** Undefined in a process that nobody supervises. */
export function linkToParent(): ParentLink | undefined {
  const number = ownNumber();
  return number === undefined ? undefined : new ParentLink(number);
}

/** A parent that is gone is told by `disconnect`; what was for it is nobody's then. */
function send(message: FromChild): void {
  process.send?.(message, undefined, undefined, () => {});
}
