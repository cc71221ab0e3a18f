import { fail, ok } from '../../shared/base/errors.ts';
import type { Result } from '../../shared/base/errors.ts';
import type { Outcome } from '../../shared/domain/runs/run-store.ts';
import type { RunEvent } from '../../shared/protocol/run-events.ts';
import { runEvents } from '../../shared/protocol/run-events.ts';
import { notPlain } from '../../shared/wire/plain.ts';
import type { AgentOutput } from './agent.ts';
import { nameOf } from './runner-errors.ts';

const yieldable: readonly string[] = ['chunk', 'message', 'tool_call', 'tool_result'];
/** Of the messages that an agent yields, its session gets the last so many. */
const mostMessages = 100;

type Yielded = Exclude<AgentOutput, string>;

/** Says what was wrong in words that follow "the agent yielded". */
export function eventOf(value: unknown): Result<Yielded> {
  if (typeof value === 'string') return ok({ kind: 'chunk', text: value });
  if (typeof value !== 'object' || value === null) return fail('bad_request', nameOf(value));
  try {
    const { kind } = value as { kind?: unknown };
    if (typeof kind !== 'string') return fail('bad_request', 'an object without a kind');
    if (!yieldable.includes(kind)) return fail('bad_request', `an event of kind ${kind.slice(0, 40)}`);
    const parsed = runEvents[kind as Yielded['kind']].safeParse(value);
    if (parsed.success) return ok(parsed.data);
    const [issue] = parsed.error.issues;
    return fail('bad_request', `a ${kind} whose ${issue?.path.join('.')} is wrong: ${issue?.message}`);
  } catch {
    return fail('bad_request', 'an object that cannot be read');
  }
}

/** A copy, because what is written later must not change under our hands. */
export function plainCopy(value: unknown, maxBytes: number): Result<unknown> {
  try {
    const fault = notPlain(value);
    if (fault !== undefined) return fail('bad_request', fault);
    const text = JSON.stringify(value);
    if (Buffer.byteLength(text) > maxBytes) return fail('payload_too_large', `over ${maxBytes} bytes`);
    return ok(typeof value === 'object' ? JSON.parse(text) : value);
  } catch {
    return fail('bad_request', 'it cannot be read');
  }
}

/** What one attempt brought forth, as far as it is wanted at its end. */
export class Output {
  readonly #maxBytes: number;
  #messages: { role: string; content: unknown; bytes: number }[] = [];
  #text = '';

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(event: RunEvent): void {
    if (event.kind === 'message') this.#keep(event.role, event.content);
    // A unit of a string is a byte at least, so what is over this is cut away in the end.
    if (event.kind === 'chunk' && this.#text.length < this.#maxBytes) this.#text += event.text;
  }

  /** The chunks joined; the beginning of them where they are too many. Whoever needs them all reads the events. */
  get text(): string {
    let text = this.#text;
    while (Buffer.byteLength(JSON.stringify(text)) > this.#maxBytes) text = text.slice(0, (text.length * 3) / 4);
    return text;
  }

  resultOf(returned: unknown): Result<unknown> {
    return returned === undefined ? ok(this.text) : plainCopy(returned, this.#maxBytes);
  }

  /** What the session gets: messages that the agent made, else its text, else a result that is one. */
  outcome(result?: unknown): Outcome {
    const { text } = this;
    if (this.#messages.length > 0) {
      const messages = this.#messages.map(({ role, content }) => ({ role, content }));
      const spoke = text === '' || messages.some(({ role }) => role === 'assistant');
      return { messages: spoke ? messages : [...messages, { role: 'assistant', content: text }] };
    }
    const content = text === '' && typeof result === 'string' ? result : text;
    return { messages: content === '' ? [] : [{ role: 'assistant', content }] };
  }

  /** The last ones, of as many bytes as one event may have. A copy: the agent may go on to use its own. */
  #keep(role: string, content: unknown): void {
    const copy = plainCopy(content, this.#maxBytes);
    if (!copy.ok) return;
    this.#messages.push({ role, content: copy.value, bytes: Buffer.byteLength(JSON.stringify(content)) });
    let bytes = 0;
    const from = this.#messages.findLastIndex((message, i) => {
      bytes += message.bytes;
      return bytes > this.#maxBytes || this.#messages.length - i > mostMessages;
    });
    this.#messages = this.#messages.slice(from + 1);
  }
}
