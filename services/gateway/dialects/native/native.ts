import { fail, ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import { topicOf } from '../../../../shared/domain/runs/run.ts';
import type { RequestId } from '../../../../shared/protocol/common.ts';
import { parseRequest, requestIdOf } from '../../../../shared/protocol/requests.ts';
import type { Request, RequestOf } from '../../../../shared/protocol/requests.ts';
import { chooseVersion, subprotocols } from '../../../../shared/protocol/version.ts';
import type { Client, Conversation } from '../../core/client.ts';
import type { Attached } from '../../core/operations/run.ts';
import type { Dialect } from '../dialect.ts';
import { nativeFormats } from './native-format.ts';
import type { NativeFormat } from './native-format.ts';

/** The protocol of this broker, at /v1/ws: JSON or MessagePack, by subprotocol or by the first frame. */
export const native: Dialect = {
  name: 'native',
  paths: ['/v1/ws'],
  formats: [nativeFormats.json, nativeFormats.msgpack],
  choose: (offered) => offered.find((name) => name === subprotocols.json || name === subprotocols.msgpack) ?? '',
  open: (client, protocol) => new NativeConversation(client, protocol),
};

class NativeConversation implements Conversation {
  readonly #client: Client;
  #format: NativeFormat | undefined;
  #greeted = false;

  constructor(client: Client, protocol: string) {
    this.#client = client;
    if (protocol === subprotocols.json) this.#use(nativeFormats.json);
    else if (protocol === subprotocols.msgpack) this.#use(nativeFormats.msgpack);
  }

  receive(bytes: Uint8Array, binary: boolean): void {
    const format = this.#formatFor(binary);
    const frame = this.#decode(format, bytes, binary);
    const request = frame.ok ? parseRequest(frame.value) : frame;
    if (request.ok) {
      this.#client.goodFrame();
      this.#act(format, request.value);
      return;
    }
    this.#client.send(format.error(request, frame.ok ? requestIdOf(frame.value) : undefined));
    if (request.code === 'bad_frame') this.#client.badFrame();
    else this.#client.goodFrame();
  }

  refuse(bytes: Uint8Array, binary: boolean, code: 'busy' | 'rate_limited'): void {
    const format = this.#formatFor(binary);
    const frame = this.#decode(format, bytes, binary);
    this.#client.send(format.error(fail(code), frame.ok ? requestIdOf(frame.value) : undefined));
  }

  goaway(reconnectAfterMs: number): void {
    // A client that has not sent a frame has not said in which format it reads.
    const format = this.#format;
    if (format) this.#client.send(format.frame({ type: 'goaway', reason: 'draining', reconnectAfterMs }));
  }

  #act(format: NativeFormat, request: Request): void {
    const client = this.#client;
    const { id } = request;
    switch (request.type) {
      case 'subscribe':
        this.#subscribe(format, request);
        return;
      case 'run':
        this.#run(format, request);
        return;
      case 'attach':
        client.perform('attach', request, (result) => this.#attached(format, id, result));
        return;
      case 'ping':
        client.send(format.frame({ type: 'pong', ...(id === undefined ? {} : { id }), ts: Date.now() }));
        return;
      case 'hello':
        this.#hello(format, request);
        return;
      default:
        // Any other is the operation of its name, and what that gives back is the result.
        client.perform(request.type, request, (result) => this.#answer(format, id, result));
    }
  }

  #answer(format: NativeFormat, id: RequestId | undefined, result: Result<unknown>): void {
    if (!result.ok) this.#client.answer(format.error(result, id));
    else if (id !== undefined) this.#client.answer(format.ok(id, result.value));
  }

  /** The answer is made in the turn in which it goes out, and before the first event that it causes. */
  #subscribe(format: NativeFormat, request: RequestOf<'subscribe'>): void {
    this.#client.perform('subscribe', request, (result) => {
      if (!result.ok) {
        this.#answer(format, request.id, result);
        return;
      }
      const { time, attach, begin } = result.value;
      const subscriptions = attach();
      if (request.id !== undefined) this.#client.send(format.ok(request.id, { time, subscriptions }));
      begin();
    });
  }

  #run(format: NativeFormat, request: RequestOf<'run'>): void {
    this.#client.perform('run', request, (result) => {
      const duplicate = result.ok && result.value.duplicate ? { duplicate: true } : {};
      this.#attached(format, request.id, result, duplicate);
    });
  }

  /** The run's events follow its answer. */
  #attached(
    format: NativeFormat,
    id: RequestId | undefined,
    result: Result<Attached>,
    more: { duplicate?: boolean } = {},
  ): void {
    if (!result.ok) return this.#answer(format, id, result);
    const { run, attach } = result.value;
    const { invocation, state } = run;
    this.#answer(format, id, ok({ invocation, topic: topicOf(invocation), state, ...more }));
    attach();
  }

  #hello(format: NativeFormat, request: RequestOf<'hello'>): void {
    const version = chooseVersion(request.versions);
    if (this.#greeted) return this.#answer(format, request.id, fail('conflict', 'hello was said already'));
    if (version === undefined) return this.#answer(format, request.id, fail('unsupported_version'));
    if (request.token === undefined) return this.#welcome(format, request.id, version);
    this.#client.authenticate(request.token, (known) => {
      if (known.ok) return this.#welcome(format, request.id, version);
      this.#answer(format, request.id, known);
      // A fault of ours, or a key server that is away, does not make the token a bad one.
      if (known.code === 'unauthenticated') this.#client.close('unauthenticated');
    });
  }

  #welcome(format: NativeFormat, id: RequestId | undefined, version: number): void {
    if (!this.#client.identity) return this.#answer(format, id, fail('unauthenticated'));
    this.#greeted = true;
    this.#answer(format, id, ok(this.#client.welcome(version)));
  }

  #decode(format: NativeFormat, bytes: Uint8Array, binary: boolean): Result<unknown> {
    if (binary !== format.binary) return fail('bad_frame', `this connection speaks ${format.name}`);
    return format.decode(bytes);
  }

  #formatFor(binary: boolean): NativeFormat {
    return this.#format ?? this.#use(binary ? nativeFormats.msgpack : nativeFormats.json);
  }

  #use(format: NativeFormat): NativeFormat {
    this.#format = format;
    this.#client.use(format);
    return format;
  }
}
