import { ok } from '../../shared/base/errors.ts';
import type { Result } from '../../shared/base/errors.ts';
import { anyone } from '../../shared/domain/identity.ts';
import type { Identity } from '../../shared/domain/identity.ts';
import type { HelloResult } from '../../shared/protocol/hello.ts';
import type { Client } from '../../services/gateway/core/client.ts';
import type { InputOf, OperationName, OutputOf } from '../../services/gateway/core/operations.ts';
import type { Format } from '../../services/gateway/hub/format.ts';

type Done = (result: Result<unknown>) => void;

/**
 * A connection without a socket and a broker: it writes down what its dialect does, in the order in which that happens,
 * and the test plays the broker.
 */
export class FakeClient implements Client {
  identity: Identity | undefined = anyone;
  readonly settings = { chatAgent: 'echo', defaultAgent: 'helper' };
  /** What the dialect did since it was last looked at, a line each. */
  readonly lines: string[] = [];
  readonly frames: Uint8Array[] = [];
  badFrames = 0;
  format: Format | undefined = undefined;
  readonly #asked: Done[] = [];
  readonly #listeners = new Map<string, (data: unknown) => void>();

  use(format: Format): void {
    this.format = format;
  }

  send(frame: Uint8Array): void {
    this.frames.push(frame);
    this.lines.push(`< ${Buffer.from(frame).toString()}`);
  }

  answer(frame: Uint8Array): void {
    this.send(frame);
  }

  perform<N extends OperationName>(operation: N, input: InputOf<N>, done: (result: Result<OutputOf<N>>) => void): void {
    this.lines.push(`? ${operation} ${JSON.stringify(input)}`);
    if (operation !== 'subscribe') return void this.#asked.push(done as Done);
    const { topics } = input as InputOf<'subscribe'>;
    const names = topics.map((ask) => (typeof ask === 'string' ? ask : ask.topic)).join(' ');
    const attach = (): void => void this.lines.push(`attach ${names}`);
    this.#asked.push((result) => (done as Done)(result.ok ? ok({ attach, begin: () => {} }) : result));
  }

  listen(topic: string, heard: (data: unknown) => void, done: (result: Result<() => void>) => void): void {
    this.lines.push(`? listen ${topic}`);
    this.#asked.push((result) => {
      if (result.ok) this.#listeners.set(topic, heard);
      done(result.ok ? ok(() => void this.#listeners.delete(topic)) : result);
    });
  }

  /** Settled with who it is. */
  authenticate(token: string, done: (result: Result<Identity>) => void): void {
    this.lines.push(`? authenticate ${JSON.stringify(token)}`);
    this.#asked.push((result) => {
      if (result.ok) this.identity = result.value as Identity;
      done(result as Result<Identity>);
    });
  }

  /** Frames come as the test wants them. */
  hold(): () => void {
    return () => {};
  }

  welcome(): HelloResult {
    throw new Error('not of this client');
  }

  badFrame(): void {
    this.badFrames += 1;
    this.lines.push('bad frame');
  }

  goodFrame(): void {
    this.badFrames = 0;
  }

  close(name: string): void {
    this.lines.push(`close ${name}`);
  }

  /** The oldest of what was asked for has this outcome. Attaching to the run that it gives is written down. */
  settle(result: Result<Record<string, unknown>>): void {
    const done = this.#asked.shift();
    if (!done) throw new Error('nothing was asked for');
    if (!result.ok || !('run' in result.value)) return done(result);
    const { invocation } = result.value['run'] as { invocation: string };
    const attach = (): void => void this.lines.push(`attach ${invocation}`);
    done(ok({ ...result.value, attach }));
  }

  tell(topic: string, data: unknown): void {
    this.#listeners.get(topic)?.(data);
  }
}
