import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { MessageParam, ToolUseBlock } from '@anthropic-ai/sdk/resources/messages/messages';
import { onTestFinished } from 'vitest';

export interface MessagesRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: {
    model: string;
    max_tokens: number;
    messages: MessageParam[];
    stream?: boolean;
    system?: string;
    tools?: { name: string; input_schema: unknown }[];
  };
  /** The client went away before the answer was whole. */
  gone: boolean;
}

export type Reply = (answer: ServerResponse) => void | Promise<void>;

export interface MessagesApi {
  readonly url: string;
  readonly requests: MessagesRequest[];
  /** What the next requests get, one each; without any left a request is refused. */
  next(...replies: Reply[]): void;
}

/** The streaming Messages API on a port of its own, as strict as the real one about what it is sent. */
export async function startMessagesApi(): Promise<MessagesApi> {
  const requests: MessagesRequest[] = [];
  const replies: Reply[] = [];
  const server = createServer((incoming, answer) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      const body = JSON.parse(Buffer.concat(parts).toString()) as MessagesRequest['body'];
      const request = { path: incoming.url ?? '', headers: incoming.headers, body, gone: false };
      requests.push(request);
      answer.on('close', () => (request.gone = !answer.writableEnded));
      const fault = faultOf(body);
      const reply = fault === undefined ? replies.shift() : refuses(400, 'invalid_request_error', fault);
      void (reply ?? refuses(400, 'invalid_request_error', 'the test has no reply for this request'))(answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, requests, next: (...more) => void replies.push(...more) };
}

interface Block extends Record<string, unknown> {
  type: string;
}

interface Answer {
  stopReason?: string;
  stopDetails?: unknown;
  usage?: Record<string, number>;
}

/** A whole answer. Text and the input of a tool come in the pieces given. */
export function answers(blocks: readonly (readonly string[] | Block)[], more: Answer = {}): Reply {
  return (answer) => {
    stream(answer).end(eventsOf(blocks, more));
  };
}

export const says = (...pieces: string[]): Reply => answers([pieces]);

export function calls(...uses: Pick<ToolUseBlock, 'id' | 'name' | 'input'>[]): Reply {
  return answers(
    uses.map((use) => ({ type: 'tool_use', ...use })),
    { stopReason: 'tool_use' },
  );
}

/** Bytes in pieces of this size, each in a write of its own. */
export function inPieces(text: string, size: number): Reply {
  return async (answer) => {
    const bytes = Buffer.from(text);
    stream(answer);
    for (let at = 0; at < bytes.length; at += size) {
      answer.write(bytes.subarray(at, at + size));
      await turn();
    }
    answer.end();
  };
}

/** The beginning of an answer, after which the test has the word. */
export function begins(pieces: readonly string[], then: Reply = () => {}): Reply {
  return async (answer) => {
    const whole = eventsOf([pieces], {});
    stream(answer).write(whole.slice(0, whole.indexOf('event: content_block_stop')));
    await turn();
    await then(answer);
  };
}

export function refuses(status: number, type: string, message: string, headers: Record<string, string> = {}): Reply {
  return (answer) => {
    answer.writeHead(status, { 'content-type': 'application/json', 'request-id': 'req_1', ...headers });
    answer.end(JSON.stringify({ type: 'error', error: { type, message } }));
  };
}

export function breaks(answer: ServerResponse): void {
  answer.socket?.destroy();
}

export function errs(type: string, message: string): Reply {
  return (answer) => {
    answer.end(event({ type: 'error', error: { type, message } }));
  };
}

export function event(data: Block): string {
  return `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
}

export function eventsOf(blocks: readonly (readonly string[] | Block)[], more: Answer): string {
  const { stopReason = 'end_turn', stopDetails = null, usage = { input_tokens: 10, output_tokens: 7 } } = more;
  const message = {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude-of-the-test',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...usage, output_tokens: 1 },
  };
  return [
    event({ type: 'message_start', message }),
    ...blocks.map((block, index) => blockEvents(block, index)),
    event({
      type: 'message_delta',
      delta: { stop_reason: stopReason, stop_sequence: null, stop_details: stopDetails },
      usage: { output_tokens: usage.output_tokens },
    }),
    event({ type: 'message_stop' }),
  ].join('');
}

function blockEvents(block: readonly string[] | Block, index: number): string {
  const { start, deltas } = partsOf(block);
  return [
    event({ type: 'content_block_start', index, content_block: start }),
    event({ type: 'ping' }),
    ...deltas.map((delta) => event({ type: 'content_block_delta', index, delta })),
    event({ type: 'content_block_stop', index }),
  ].join('');
}

function partsOf(block: readonly string[] | Block): { start: unknown; deltas: unknown[] } {
  if (!('type' in block)) {
    return { start: { type: 'text', text: '' }, deltas: block.map((text) => ({ type: 'text_delta', text })) };
  }
  if (block.type === 'thinking') {
    const { thinking, signature } = block;
    const deltas = [
      { type: 'thinking_delta', thinking },
      { type: 'signature_delta', signature },
    ];
    return { start: { type: 'thinking', thinking: '', signature: '' }, deltas };
  }
  const input = typeof block.input === 'string' ? block.input : JSON.stringify(block.input);
  const half = Math.ceil(input.length / 2);
  const deltas = ['', input.slice(0, half), input.slice(half)];
  return {
    start: { ...block, input: {} },
    deltas: deltas.map((partial_json) => ({ type: 'input_json_delta', partial_json })),
  };
}

function stream(answer: ServerResponse): ServerResponse {
  return answer.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': 'req_1' });
}

/** What the real one answers with 400, of what an agent might get wrong. */
function faultOf({ model, max_tokens, messages, stream: streamed }: MessagesRequest['body']): string | undefined {
  if (typeof model !== 'string' || !(max_tokens > 0) || streamed !== true)
    return 'model, max_tokens and stream: required';
  if (messages.length === 0) return 'messages: at least one message is required';
  for (const [i, { role, content }] of messages.entries()) {
    const blocks = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;
    if (role !== (i % 2 === 0 ? 'user' : 'assistant')) return `messages.${i}: roles must alternate, the user first`;
    if (blocks.length === 0) return `messages.${i}: content must not be empty`;
    for (const block of blocks) {
      if (block.type === 'text' && !/\S/.test(block.text))
        return `messages.${i}: text must contain non-whitespace text`;
    }
    const asked = blocks.flatMap((block) => (block.type === 'tool_use' ? [block.id] : []));
    const next = messages[i + 1]?.content;
    const told = Array.isArray(next)
      ? next.flatMap((block) => (block.type === 'tool_result' ? [block.tool_use_id] : []))
      : [];
    if (asked.length !== told.length || asked.some((id) => !told.includes(id))) {
      return `messages.${i}: each tool_use must have its tool_result in the next message`;
    }
  }
  return messages.at(-1)?.role === 'user' ? undefined : 'messages: the last one must be of the user';
}
