import { once } from 'node:events';
import { get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { onTestFinished, vi } from 'vitest';
import { expect } from 'vitest';

/** One event as the client's parser would dispatch it. */
export interface SseEvent {
  event: string;
  /** The last id that was given up to here. */
  id: string;
  data: Record<string, unknown>;
}

const patience = { timeout: 20_000, interval: 5 };

/** An SSE client that keeps everything as it came: events, comments, and the id that a browser would come back with. */
export class SseClient {
  readonly response: IncomingMessage;
  readonly all: SseEvent[] = [];
  comments = 0;
  lastId = '';
  ended = false;
  #rest = '';

  constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding('utf8');
    response.on('data', (text: string) => this.#take(text));
    response.on('close', () => (this.ended = true));
    response.on('error', () => {});
  }

  get events(): SseEvent[] {
    return this.all.filter(({ event }) => event === 'message');
  }

  get dropped(): Record<string, unknown>[] {
    return this.all.filter(({ event }) => event === 'dropped').map(({ data }) => data);
  }

  get seqs(): unknown[] {
    return this.events.map(({ data }) => data['seq']);
  }

  async gather(count: number): Promise<SseEvent[]> {
    await until(
      () => this.events.length >= count,
      () => `${count} events; there are ${this.events.length}`,
    );
    return this.events;
  }

  async end(): Promise<void> {
    await until(
      () => this.ended,
      () => 'the end of the stream',
    );
  }

  pause(): void {
    this.response.pause();
  }

  resume(): void {
    this.response.resume();
  }

  cut(): void {
    this.response.destroy();
  }

  #take(text: string): void {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop() ?? '';
    for (const block of blocks) this.#block(block);
  }

  #block(block: string): void {
    let event = 'message';
    let data: string | undefined;
    for (const line of block.split('\n')) {
      const colon = line.indexOf(':');
      const [field, value] = [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')];
      if (field === '') this.comments += 1;
      else if (field === 'id') this.lastId = value;
      else if (field === 'event') event = value;
      else if (field === 'data') data = data === undefined ? value : `${data}\n${value}`;
      else throw new Error(`a line that no SSE client knows: ${line.slice(0, 200)}`);
    }
    if (data !== undefined)
      this.all.push({ event, id: this.lastId, data: JSON.parse(data) as Record<string, unknown> });
  }
}

/** Opens a stream that must be accepted. Cut at the end of the test. */
export async function listen(port: number, path: string, headers: Record<string, string> = {}): Promise<SseClient> {
  const request = get({ host: '127.0.0.1', port, path, headers: { accept: 'text/event-stream', ...headers } });
  onTestFinished(() => void request.destroy());
  request.on('error', () => {});
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  expect(response.headers['content-type']).toBe('text/event-stream');
  return new SseClient(response);
}

/** What a stream that is refused is answered with. */
export async function refusal(
  port: number,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; code: string; retryAfter: string | null }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { accept: 'text/event-stream', ...headers },
  });
  const { error } = (await response.json()) as { error: { code: string } };
  return { status: response.status, code: error.code, retryAfter: response.headers.get('retry-after') };
}

export function until(condition: () => boolean, what: () => string): Promise<void> {
  return vi.waitFor(() => {
    if (!condition()) throw new Error(`waited for ${what()}`);
  }, patience);
}
