import { newId } from '../../../../shared/base/ids.ts';
import { fail, ok } from '../../../../shared/base/errors.ts';
import type { Failure, Result } from '../../../../shared/base/errors.ts';
import type { FrameOf } from '../../../../shared/protocol/frame-reader.ts';
import { sessionId } from '../../../../shared/protocol/runs.ts';
import { decodeJson } from '../../../../shared/wire/json.ts';
import type { Client, Conversation } from '../../core/client.ts';
import { OneByOne } from '../../core/one-by-one.ts';
import { inputOf } from '../../core/text-input.ts';
import type { Dialect } from '../dialect.ts';
import { chatFormat } from './chat-format.ts';
import { chatFrame, errorFrame, readFrame } from './frames.ts';
import type { frames } from './frames.ts';
import { OperatorMessages } from './operator-messages.ts';
import type { ToKeep } from './operator-messages.ts';
import { SessionRuns } from './session-runs.ts';

/** Talking with an agent: a session for each connection, or the one that it names, and every answer as it is written. */
export const chat: Dialect = {
  name: 'chat',
  paths: ['/ws'],
  formats: [chatFormat],
  choose: () => '',
  open: (client, _protocol, { query }) => new ChatConversation(client, query.get('sessionId') ?? ''),
};

/** Messages, and cancels of all, that wait until the messages before them have become runs. */
const mostWaiting = 64;

type Frame = FrameOf<typeof frames>;
type Said = Extract<Frame, { type: 'user_message' }>;

class ChatConversation implements Conversation {
  readonly #client: Client;
  readonly #session: string;
  readonly #runs: SessionRuns;
  readonly #operator: OperatorMessages;
  readonly #order = new OneByOne(mostWaiting);
  #greeted = false;
  /** The session is there, and is this client's. */
  #joined = false;

  /**
   * `asked`: the session to come back to. It is made where there is none of that id: a client that never said anything
   * has none, and comes back all the same. One that names none gets its session with its first message, so that a storm
   * of connections leaves no empty ones behind.
   */
  constructor(client: Client, asked: string) {
    this.#client = client;
    this.#session = asked === '' ? newId() : asked;
    this.#runs = new SessionRuns(client, this.#session, () => this.#operator.showHeld());
    this.#operator = new OperatorMessages(client, this.#session, () => this.#runs.answering);
    client.use(chatFormat);
    // There is no frame by which a client could say later who it is.
    if (!client.identity) {
      this.#refuse(fail('unauthenticated'));
      client.close('unauthenticated');
    } else if (!sessionId.safeParse(this.#session).success) {
      this.#refuse(fail('bad_request', 'the id of a session is 1 to 64 of A-Z a-z 0-9 _ -'));
      client.close('protocol_abuse');
    } else if (asked === '') {
      this.#greet('connected');
      this.#listen();
    } else {
      this.#join((joined) => this.#told(joined));
    }
  }

  receive(bytes: Uint8Array, binary: boolean): void {
    const value = binary ? fail('bad_frame', 'frames are text here') : decodeJson(bytes);
    const frame = value.ok ? readFrame(value.value) : value;
    if (frame.ok) this.#act(frame.value);
    else this.#refuse(frame);
    if (!frame.ok && frame.code === 'bad_frame') this.#client.badFrame();
    else this.#client.goodFrame();
  }

  refuse(_bytes: Uint8Array, _binary: boolean, code: 'busy' | 'rate_limited'): void {
    this.#refuse(fail(code));
  }

  closed(): void {
    this.#runs.stop();
  }

  #act(frame: Frame): void {
    if (frame.sessionId !== undefined && frame.sessionId !== this.#session) {
      this.#refuse(fail('forbidden', 'this connection is of another session; come in by /ws?sessionId= for that one'));
    } else if (frame.type === 'user_message') {
      this.#say(frame);
    } else {
      this.#cancel(frame.invocationId);
    }
  }

  /** One after the other: an answer to the second message knows the first. */
  #say({ content, thread }: Said): void {
    const { chatAgent } = this.#client.settings;
    const where = { session: this.#session, ...(thread === undefined ? {} : { thread }) };
    this.#inOrder((done) =>
      this.#join((joined) => {
        if (!joined.ok) return done(joined);
        this.#client.perform('run', { agent: chatAgent, ...inputOf(content), ...where }, (started) => {
          if (started.ok) this.#runs.follow(started.value);
          done(started);
        });
      }),
    );
  }

  /** Without an id: whatever is being answered or waits for it, as somebody means who presses "stop". */
  #cancel(invocation: string | undefined): void {
    const cancel = (id: string, goneIsFine: boolean): void =>
      this.#client.perform('cancel', { invocation: id }, (cancelled) => {
        if (!cancelled.ok && !(goneIsFine && cancelled.code === 'conflict')) this.#refuse(cancelled);
      });
    if (invocation === undefined) this.#inOrder((done) => this.#runs.eachOpen((open) => cancel(open, true), done));
    else
      this.#runs.ifOfSession(
        invocation,
        (run) => cancel(run, false),
        (failed) => this.#refuse(failed),
      );
  }

  #inOrder(work: (done: (result: Result<unknown>) => void) => void): void {
    const taken = this.#order.ask((next) =>
      work((result) => {
        this.#told(result);
        next();
      }),
    );
    if (!taken) this.#refuse(fail('busy'));
  }

  /** Makes sure that the session is there, and this client's. */
  #join(then: (joined: Result<void>) => void): void {
    if (this.#joined) {
      this.#watch();
      then(ok(undefined));
      return;
    }
    this.#client.perform('session.ensure', { session: this.#session }, (ensured) => {
      if (ensured.ok) {
        this.#joined = true;
        this.#greet('connected again');
        this.#watch();
      }
      then(ensured.ok ? ok(undefined) : ensured);
      if (!ensured.ok && ensured.code === 'forbidden') this.#client.close('unauthenticated');
    });
  }

  #watch(): void {
    this.#runs.watch();
    this.#operator.watch();
    this.#listen();
  }

  #listen(): void {
    this.#operator.listen((said) => this.#keep(said));
  }

  #keep(said: ToKeep): void {
    this.#inOrder((done) => this.#join((joined) => (joined.ok ? this.#operator.keep(said, done) : done(joined))));
  }

  #greet(content: string): void {
    if (this.#greeted) return;
    this.#greeted = true;
    this.#client.send(chatFrame('connection_established', this.#session, content));
  }

  #told(result: Result<unknown>): void {
    if (!result.ok) this.#refuse(result);
  }

  #refuse({ message }: Failure): void {
    this.#client.answer(errorFrame(this.#session, message));
  }
}
