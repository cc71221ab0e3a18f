import { expect } from 'vitest';
import { join } from './client.ts';
import type { Frame } from './client.ts';

type Fields = Record<string, unknown>;

/** A client of dialect 000, which keeps every event and every answer, and counts those that come again. */
export class CommandClient {
  readonly events: { type: string; data: Fields }[] = [];
  readonly answers = new Map<unknown, Fields>();
  repeated = 0;
  readonly until: (condition: () => boolean, what?: string) => Promise<void>;
  readonly end: () => Promise<{ code: number; reason: string }>;
  readonly cut: () => void;
  readonly #send: (frame: unknown) => void;
  #nextId = 1;

  private constructor(client: Awaited<ReturnType<typeof join>>) {
    client.onFrame = (frame) => this.#take(frame);
    this.until = (condition, what) => client.until(condition, what);
    this.end = () => client.end();
    this.cut = () => client.cut();
    this.#send = (frame) => client.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  static async enter(port: number, path = '/', headers: Record<string, string> = {}): Promise<CommandClient> {
    return new CommandClient(await join(port, { path, bare: true, headers }));
  }

  /** As it is, or with an id, which is given back. */
  send(frame: string | { method: string; params?: Fields }): number {
    const id = this.#nextId++;
    this.#send(typeof frame === 'string' ? frame : { id, ...frame });
    return id;
  }

  async answerTo(id: unknown): Promise<Fields> {
    await this.until(() => this.answers.has(id), `the answer to ${String(id)}`);
    return this.answers.get(id)!;
  }

  async ask(method: string, params: Fields = {}): Promise<Fields> {
    const answer = await this.answerTo(this.send({ method, params }));
    expect(answer).toEqual({ id: expect.any(Number) as number, success: true, result: expect.anything() as unknown });
    return answer['result'] as Fields;
  }

  async refusal(method: string, params: Fields = {}): Promise<unknown> {
    const answer = await this.answerTo(this.send({ method, params }));
    expect(Object.keys(answer)).toEqual(['id', 'success', 'error']);
    return answer['error'];
  }

  async createSession(name = 'a session'): Promise<string> {
    return (await this.ask('create_session', { name }))['session_id'] as string;
  }

  async checkpoint(params: Fields): Promise<string> {
    return (await this.ask('checkpoint', params))['checkpoint_id'] as string;
  }

  async list(session: string, limit?: number): Promise<Fields[]> {
    const params = { session_id: session, ...(limit === undefined ? {} : { limit }) };
    return (await this.ask('list_checkpoints', params))['checkpoints'] as Fields[];
  }

  of(type: string): Fields[] {
    return this.events.filter((event) => event.type === type).map(({ data }) => data);
  }

  /** Once there are so many. */
  async gather(type: string, count: number): Promise<Fields[]> {
    let looked = 0;
    let found = 0;
    await this.until(() => {
      for (; looked < this.events.length; looked += 1) if (this.events[looked]!.type === type) found += 1;
      return found >= count;
    }, `${count} of ${type}`);
    return this.of(type);
  }

  #take(frame: Frame): void {
    const { event_type: type, data, id } = frame;
    if (typeof type === 'string') {
      this.events.push({ type, data: data as Fields });
      return;
    }
    if (this.answers.has(id)) this.repeated += 1;
    this.answers.set(id, frame);
  }
}
