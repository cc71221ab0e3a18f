import { WebSocket } from 'ws';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AgentwireClient } from '../../shared/client/index.ts';
import type { AgentRun } from '../../shared/client/index.ts';
import { join } from '../support/client.ts';
import type { TestClient } from '../support/client.ts';
import { httpOf } from '../support/in-process.ts';
import type { Http } from '../support/in-process.ts';
import { startRunCluster, startStandalone } from '../support/run-cluster.ts';
import { faultsOf, hasEnded, historyOf, whenRun } from '../support/run-history.ts';
import type { LoggedEvent } from '../support/run-history.ts';
import { listen } from '../support/sse.ts';
import type { SseClient } from '../support/sse.ts';

const places = [
  {
    on: 'two gateways with Redis',
    async start(): Promise<[number, number]> {
      const { gateways } = await startRunCluster();
      return [gateways[0]!.port, gateways[1]!.port];
    },
  },
  {
    on: 'one process',
    async start(): Promise<[number, number]> {
      const { port } = await startStandalone();
      return [port, port];
    },
  },
];

/** One run as everybody sees it: who started it on one gateway, and the others on the other. */
class Scene {
  readonly session = crypto.randomUUID();
  readonly http: Http;
  invocation = '';
  starter!: TestClient;
  native!: TestClient;
  chat!: TestClient;
  sse!: SseClient;
  library!: AgentRun;
  readonly #client: AgentwireClient;
  readonly #here: number;
  readonly #there: number;

  constructor([here, there]: readonly [number, number]) {
    this.#here = here;
    this.#there = there;
    this.http = httpOf(`http://127.0.0.1:${there}`);
    this.#client = new AgentwireClient({ url: `ws://127.0.0.1:${there}`, WebSocket });
    onTestFinished(() => this.#client.close());
  }

  /** `chatFirst`: it is there before the run, and hears of it; else it comes in the middle of it. */
  async start(agent: string, input: object, chatFirst: boolean): Promise<void> {
    this.starter = await join(this.#here, { path: `/api/v1/sessions/${this.session}/run/ws`, bare: true });
    if (chatFirst) await this.#openChat();
    const newMessage = { role: 'user', parts: [{ text: JSON.stringify(input) }] };
    this.starter.sendAsIs({ type: 'run', sessionId: this.session, newMessage, agent });
    const started = await this.starter.waitFor(({ type }) => type === 'started');
    this.invocation = String(started['invocationId']);
    await this.starter.waitFor((frame) => this.#kindIn(frame) === 'chunk');
    this.native = await join(this.#there, { format: 'msgpack' });
    await this.native.request({ type: 'attach', invocation: this.invocation });
    this.sse = await listen(this.#there, `/v1/runs/${this.invocation}/events`);
    await this.#client.connect();
    this.library = this.#client.attach(this.invocation);
    if (!chatFirst) await this.#openChat();
    await Promise.all([
      this.chat.waitFor(({ type }) => type === 'stream_chunk'),
      this.native.waitFor((frame) => this.#kindIn(frame) === 'chunk'),
      this.sse.gather(3),
    ]);
  }

  /** Until each has seen the end, and all have seen the very same. */
  async expectEnd(kind: 'completed' | 'cancelled'): Promise<readonly LoggedEvent[]> {
    const run = await whenRun(this.http, this.invocation, hasEnded);
    const events = await historyOf(this.http, this.invocation);
    expect([run.state, faultsOf(events, run)]).toEqual([kind, []]);
    const data = events.map((event) => event.data);

    await this.starter.waitFor(({ type }) => type === kind);
    expect(this.starter.frames).toEqual([
      { type: 'started', invocationId: this.invocation, sessionId: this.session },
      ...data.slice(0, -1).map((one) => ({ type: 'event', invocationId: this.invocation, data: one })),
      { type: kind, invocationId: this.invocation },
    ]);

    await this.native.waitFor((frame) => this.#kindIn(frame) === kind);
    expect(this.native.events.map((event) => event.data)).toEqual(data);
    await this.sse.end();
    expect(this.sse.events.map((event) => event.data['data'])).toEqual(data);
    const told = [];
    for await (const { seq: _, ts: __, ...event } of this.library as AsyncIterable<{ seq: number; ts: number }>) {
      told.push(event);
    }
    expect(told).toEqual(data);

    await this.chat.waitFor(({ type }) => type === 'stream_end');
    const chunks = data.flatMap((event) => (event.kind === 'chunk' ? [event.text] : []));
    expect(this.chat.frames.slice(1)).toEqual(
      [['stream_start', ''], ...chunks.map((text) => ['stream_chunk', text]), ['stream_end', '']].map(
        ([type, content]) => ({ type, sessionId: this.session, content }),
      ),
    );
    return events;
  }

  async #openChat(): Promise<void> {
    this.chat = await join(this.#there, { path: `/ws?sessionId=${this.session}`, bare: true });
    await this.chat.waitFor(({ type }) => type === 'connection_established');
  }

  #kindIn(frame: object): string | undefined {
    return (frame as { data?: { kind: string } }).data?.kind;
  }
}

const ways: Record<string, (scene: Scene) => unknown> = {
  'its own dialect': ({ starter, invocation }) => starter.sendAsIs({ type: 'cancel', invocationId: invocation }),
  'the native protocol': ({ native, invocation }) => native.request({ type: 'cancel', invocation }),
  HTTP: ({ http, invocation }) => http('POST', `/v1/runs/${invocation}/cancel`),
  'chat, by its id': ({ chat, session, invocation }) =>
    chat.sendAsIs({ type: 'cancel', sessionId: session, invocationId: invocation }),
  'chat, as a stop': ({ chat }) => chat.sendAsIs({ type: 'cancel' }),
  'the library': ({ library }) => library.cancel(),
};

describe.each(places)('on $on', { timeout: 120_000 }, (place) => {
  it('a run that was started over 003 is watched by all, and cancelled by each', async () => {
    const ports = await place.start();
    for (const [index, way] of Object.keys(ways).entries()) {
      const scene = new Scene(ports);
      await scene.start('countdown', { from: 100_000, intervalMs: 10 }, index % 2 === 0);
      await ways[way]!(scene);
      await scene.expectEnd('cancelled');
      await expect(scene.library.result()).rejects.toMatchObject({ code: 'cancelled' });
    }
  });

  it('one that completes is the same for all of them, and the session has it', async () => {
    const scene = new Scene(await place.start());
    const text = Array.from({ length: 100 }, (_, i) => `${i} `).join('');
    await scene.start('echo', { text, delayMs: 20 }, true);
    await scene.expectEnd('completed');
    expect(await scene.library.result()).toBe(text);
    await expect
      .poll(async () => (await scene.http('GET', `/v1/sessions/${scene.session}/messages`)).json())
      .toMatchObject({ messages: [{ role: 'user' }, { role: 'assistant', content: text }], more: false });
  });
});
