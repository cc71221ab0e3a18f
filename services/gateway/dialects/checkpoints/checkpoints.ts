import { fail, ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import { sessionsTopic } from '../../../../shared/domain/sessions/session-events.ts';
import type { RequestId } from '../../../../shared/protocol/common.ts';
import { decodeJson } from '../../../../shared/wire/json.ts';
import type { Client, Conversation } from '../../core/client.ts';
import type { Dialect } from '../dialect.ts';
import { checkpointsFormat } from './checkpoints-format.ts';
import { errorFrame, idOf, readCommand, resultFrame } from './frames.ts';
import type { Call, CallOf } from './frames.ts';
import { listCheckpoints } from './list-checkpoints.ts';

/** Commands about sessions and their checkpoints, and what happens to them: any number of sessions on one connection. */
export const checkpoints: Dialect = {
  name: 'checkpoints',
  paths: ['/', '/checkpoints/ws'],
  formats: [checkpointsFormat],
  choose: () => '',
  open: (client) => new CheckpointsConversation(client),
};

type Done = (result: Result<unknown>) => void;

/**
 * Commands are carried out one after the other, each when the one before it is answered: so a client need not wait for
 * a subscription before it makes what it wants to hear of, nor for a checkpoint before it lists them.
 */
class CheckpointsConversation implements Conversation {
  readonly #client: Client;
  /** Topics that it is subscribed to, as the identity that it is. */
  readonly #topics = new Set<string>();

  constructor(client: Client) {
    this.#client = client;
    client.use(checkpointsFormat);
    if (client.identity) this.#hearOfSessions(client.hold());
  }

  receive(bytes: Uint8Array, binary: boolean): void {
    const message = decode(bytes, binary);
    const call = message.ok ? readCommand(message.value) : message;
    const id = message.ok ? idOf(message.value) : null;
    if (call.ok) this.#carryOut(id, call.value);
    else this.#client.answer(errorFrame(id, call));
    if (!call.ok && call.code === 'bad_frame') this.#client.badFrame();
    else this.#client.goodFrame();
  }

  refuse(bytes: Uint8Array, binary: boolean, code: 'busy' | 'rate_limited'): void {
    const message = decode(bytes, binary);
    this.#client.answer(errorFrame(message.ok ? idOf(message.value) : null, fail(code)));
  }

  #carryOut(id: RequestId | null, call: Call): void {
    const release = this.#client.hold();
    const done: Done = (result) => {
      this.#client.send(result.ok ? resultFrame(id, result.value) : errorFrame(id, result));
      release();
    };
    if (call.type === 'authenticate') return this.#authenticate(call, done);
    this.#hearOfSessions(() => {
      switch (call.type) {
        case 'create_session':
          return this.#createSession(call, done);
        case 'checkpoint':
          return this.#checkpoint(call, done);
        case 'list_checkpoints':
          return listCheckpoints(this.#client, call, done);
        case 'subscribe':
          return this.#subscribe(call, done);
        case 'metrics':
          return this.#client.perform('metrics', {}, done);
      }
    });
  }

  /** A client whose token is refused may try another. */
  #authenticate({ token }: CallOf<'authenticate'>, done: Done): void {
    const before = this.#client.identity;
    this.#client.authenticate(token, (known) => {
      if (!known.ok) return done(known);
      const answer = (): void => done(ok({ authenticated: true, identity: known.value.id }));
      // Somebody else from now on: what the former heard is not for the new one.
      if (before && before.id !== known.value.id) this.#hearNothing(() => this.#hearOfSessions(answer));
      else this.#hearOfSessions(answer);
    });
  }

  #createSession({ name }: CallOf<'create_session'>, done: Done): void {
    this.#client.perform('session.create', { name }, (created) =>
      done(created.ok ? ok({ session_id: created.value.session.session }) : created),
    );
  }

  #checkpoint({ session_id: session, message, state, tags }: CallOf<'checkpoint'>, done: Done): void {
    const asked = {
      session,
      ...(message === undefined ? {} : { label: message }),
      ...(state === undefined ? {} : { state }),
      ...(tags === undefined ? {} : { tags }),
    };
    this.#client.perform('checkpoint.create', asked, (created) =>
      done(created.ok ? ok({ checkpoint_id: created.value.checkpoint.checkpoint }) : created),
    );
  }

  /** Whoever may see everything may subscribe to what is not there: here that is an error. */
  #subscribe({ session_id: session }: CallOf<'subscribe'>, done: Done): void {
    this.#client.perform('session.get', { session }, (found) => {
      if (!found.ok) return done(found);
      this.#hear(`session.${session}.checkpoints`, (heard) => done(heard.ok ? ok({ subscribed: true }) : heard));
    });
  }

  /** Where the store is away, the next command tries again. */
  #hearOfSessions(then: () => void): void {
    const { identity } = this.#client;
    const topic = identity && sessionsTopic(identity.id);
    if (topic === undefined || this.#topics.has(topic)) then();
    else this.#hear(topic, then);
  }

  #hear(topic: string, done: Done): void {
    this.#client.perform('subscribe', { topics: [topic] }, (prepared) => {
      if (!prepared.ok) return done(prepared);
      prepared.value.attach();
      this.#topics.add(topic);
      done(ok(undefined));
      prepared.value.begin();
    });
  }

  #hearNothing(then: () => void): void {
    const topics = [...this.#topics];
    this.#topics.clear();
    this.#client.perform('unsubscribe', { topics }, then);
  }
}

function decode(bytes: Uint8Array, binary: boolean): Result<unknown> {
  return binary ? fail('bad_frame', 'frames are text here') : decodeJson(bytes);
}
