import { fail, ok } from '../../shared/base/errors.ts';
import type { ErrorCode, Result } from '../../shared/base/errors.ts';
import type { Conversation } from '../../services/gateway/core/client.ts';
import type { Dialect } from '../../services/gateway/dialects/dialect.ts';
import { Event, Gap, Renumbered } from '../../services/gateway/hub/entry.ts';
import type { Entry } from '../../services/gateway/hub/entry.ts';
import { frameOf } from '../../services/gateway/hub/format.ts';
import { FakeClient } from './fake-client.ts';

/**
 * Plays a transcript against a dialect, and gives back what then stands in it: the same, where the dialect does as it
 * says. A line is what somebody does:
 *
 *     enter {"params":{…},"query":"…"}   a client connects; `enter nobody …` one without an identity
 *     > {…}                              it sends a frame;  `> binary` one that is no text, `> refused busy {…}` one too many
 *     = {…}                              what the dialect asked for has this result;  `= not_found …` or fails
 *     ! run.i-1 {…}                      an event of a run comes;  `! run.i-1 gap 3 7`, `! … renumbered`, `! … gone`
 *     heard session.s-1.runs {…}         an event of a topic that the dialect listens to
 *     heartbeat, goaway, leave           a heartbeat is due; the node drains; the connection is gone
 *
 * and between these what the dialect does: `<` sends, `?` asks for an operation, `attach`, `bad frame`, `close`.
 */
export function play(dialect: Dialect, transcript: string): string {
  const lines: string[] = [];
  let client = new FakeClient();
  let conversation: Conversation | undefined;
  let seq = 0;
  const must = (): Conversation => {
    if (!conversation) throw new Error('nobody has entered yet');
    return conversation;
  };

  const act = (word: string, rest: string): void => {
    if (word === 'enter') {
      const { params, query } = JSON.parse(rest.replace(/^nobody /, '')) as Entered;
      client = new FakeClient();
      if (rest.startsWith('nobody ')) client.identity = undefined;
      conversation = dialect.open(client, '', { params: params ?? {}, query: new URLSearchParams(query ?? '') });
    } else if (word === '>') {
      const refused = /^refused (busy|rate_limited) (.*)$/.exec(rest);
      if (refused) must().refuse(Buffer.from(refused[2]!), false, refused[1] as 'busy' | 'rate_limited');
      else must().receive(Buffer.from(rest), rest === 'binary');
    } else if (word === '=') {
      client.settle(outcome(rest));
    } else if (word === '!') {
      seq += 1;
      const frame = client.format && frameOf(entry(rest, seq), client.format);
      if (frame) client.send(frame);
    } else if (word === 'heard') {
      const [topic, data] = halves(rest);
      client.tell(topic, JSON.parse(data));
    } else if (word === 'heartbeat') {
      must().heartbeat?.();
    } else if (word === 'goaway') {
      must().goaway?.(100);
    } else if (word === 'leave') {
      must().closed?.();
    } else {
      throw new Error(`no such line in a transcript: ${word} ${rest}`);
    }
  };

  for (const line of transcript.split('\n')) {
    if (/^(<|\?|attach|bad frame|close)/.test(line)) continue;
    lines.push(line);
    if (line === '' || line.startsWith('#')) continue;
    const [word, rest] = halves(line);
    act(word, rest);
    lines.push(...client.lines.splice(0));
  }
  return lines.join('\n');
}

interface Entered {
  params?: Record<string, string>;
  query?: string;
}

function halves(text: string): [string, string] {
  const at = text.indexOf(' ');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function outcome(text: string): Result<Record<string, unknown>> {
  if (text.startsWith('{')) return ok(JSON.parse(text) as Record<string, unknown>);
  const [code, message] = halves(text);
  return fail(code as ErrorCode, message);
}

function entry(text: string, seq: number): Entry {
  const [topic, what] = halves(text);
  const [, from, to] = /^gap (\d+) (\d+)$/.exec(what) ?? [];
  if (from !== undefined) return new Gap(topic, 'e', Number(from), Number(to));
  if (what === 'gone') return new Renumbered(topic, '', 0);
  return what === 'renumbered'
    ? new Renumbered(topic, 'e', seq)
    : new Event(topic, 'e', seq, 1_763_700_000_000 + seq, `{"data":${what}}`);
}
