import { fail } from '../../../../shared/base/errors.ts';
import type { Failure, Result } from '../../../../shared/base/errors.ts';
import { isMap } from '../../../../shared/protocol/common.ts';
import type { FrameOf } from '../../../../shared/protocol/frame-reader.ts';
import { sessionId } from '../../../../shared/protocol/runs.ts';
import type { RunRecord } from '../../../../shared/protocol/runs.ts';
import { decodeJson } from '../../../../shared/wire/json.ts';
import type { Client, Conversation } from '../../core/client.ts';
import { OneByOne } from '../../core/one-by-one.ts';
import type { OutputOf } from '../../core/operations.ts';
import type { Dialect } from '../dialect.ts';
import { errorFrame, readFrame, startedFrame, statusFrame } from './frames.ts';
import type { frames, RunFrame } from './frames.ts';
import { runsFormat } from './runs-format.ts';
import { startRun } from './start.ts';
import { streamedRun } from './streamed-run.ts';

/** Runs of agents in one session, which the path names: any number at a time, each with its events. */
export const agentRuns: Dialect = {
  name: 'agent-runs',
  paths: ['/api/v1/sessions/:session/run/ws'],
  formats: [runsFormat],
  streamed: [streamedRun],
  choose: () => '',
  open: (client, _protocol, { params }) => new AgentRunsConversation(client, params['session'] ?? ''),
};

type Frame = FrameOf<typeof frames>;
type Attached = OutputOf<'attach'>;

/** Runs that wait until those before them are started. */
const mostWaiting = 64;
/** One that cancels a run from before the last so many gets its events again. */
const followedKept = 1000;

class AgentRunsConversation implements Conversation {
  readonly #client: Client;
  readonly #session: string;
  readonly #starting = new OneByOne(mostWaiting);
  /** Runs whose events this connection gets, or got: the last of them. */
  readonly #followed = new Set<string>();

  constructor(client: Client, session: string) {
    this.#client = client;
    this.#session = session;
    client.use(runsFormat);
    // There is no frame by which a client could say later who it is.
    if (!client.identity) {
      this.#refuse(fail('unauthenticated'));
      client.close('unauthenticated');
    } else if (!sessionId.safeParse(session).success) {
      this.#refuse(fail('bad_request', 'the id of a session is 1 to 64 of A-Z a-z 0-9 _ -'));
      client.close('protocol_abuse');
    }
  }

  receive(bytes: Uint8Array, binary: boolean): void {
    const value = decode(bytes, binary);
    const frame = value.ok ? readFrame(value.value) : value;
    if (frame.ok) this.#act(frame.value);
    else this.#refuse(frame, value.ok ? meantBy(value.value) : undefined);
    if (!frame.ok && frame.code === 'bad_frame') this.#client.badFrame();
    else this.#client.goodFrame();
  }

  refuse(bytes: Uint8Array, binary: boolean, code: 'busy' | 'rate_limited'): void {
    const value = decode(bytes, binary);
    this.#refuse(fail(code), value.ok ? meantBy(value.value) : undefined);
  }

  #act(frame: Frame): void {
    const invocation = frame.type === 'run' ? undefined : frame.invocationId;
    if (frame.sessionId !== undefined && frame.sessionId !== this.#session) {
      this.#refuse(fail('bad_request', 'sessionId: must be that of the path, or left out'), invocation);
    } else if (frame.type === 'run') {
      this.#run(frame);
    } else {
      this.#ofSession(frame.invocationId, (run) => {
        if (frame.type === 'status') this.#client.answer(statusFrame(run.invocation, run.state));
        else if (frame.type === 'cancel') this.#cancel(run.invocation);
        else this.#attach(run.invocation, (attached) => this.#begin(attached));
      });
    }
  }

  /** One after the other: the session has them in the order in which they were asked for. */
  #run(frame: RunFrame): void {
    const taken = this.#starting.ask((done) =>
      startRun(this.#client, this.#session, frame, (started) => {
        if (started.ok) this.#begin(started.value);
        else this.#refuse(started);
        done();
      }),
    );
    if (!taken) this.#refuse(fail('busy'));
  }

  /** A run of another session is none of this connection's, even where it is of the same identity. */
  #ofSession(invocation: string, act: (run: RunRecord) => void): void {
    this.#client.perform('status', { invocation }, (found) => {
      if (!found.ok) this.#refuse(found, invocation);
      else if (found.value.invocation.session === this.#session) act(found.value.invocation);
      else this.#refuse(fail('not_found', 'there is no such run in this session'), invocation);
    });
  }

  /** Whoever cancels wants to see the end, though somebody else has started the run. */
  #cancel(invocation: string): void {
    this.#client.perform('cancel', { invocation }, (cancelled) => {
      if (!cancelled.ok) return this.#refuse(cancelled, invocation);
      // It may have ended by now, and would then come from the beginning again.
      if (this.#followed.has(invocation)) return;
      this.#attach(invocation, ({ attach }) => {
        if (this.#followed.has(invocation)) return;
        this.#follow(invocation);
        attach();
      });
    });
  }

  #attach(invocation: string, done: (attached: Attached) => void): void {
    this.#client.perform('attach', { invocation }, (attached) => {
      if (attached.ok) done(attached.value);
      else this.#refuse(attached, invocation);
    });
  }

  /** The first event comes in a later turn than the answer. */
  #begin({ run, attach }: Attached): void {
    this.#follow(run.invocation);
    this.#client.send(startedFrame(run.invocation, this.#session));
    attach();
  }

  #follow(invocation: string): void {
    this.#followed.add(invocation);
    if (this.#followed.size <= followedKept) return;
    const [oldest] = this.#followed;
    if (oldest !== undefined) this.#followed.delete(oldest);
  }

  #refuse({ message }: Failure, invocation?: string): void {
    this.#client.answer(errorFrame(message, invocation));
  }
}

function decode(bytes: Uint8Array, binary: boolean): Result<unknown> {
  return binary ? fail('bad_frame', 'frames are text here') : decodeJson(bytes);
}

/** The run that a bad frame was about, so that the client knows what was refused. */
function meantBy(frame: unknown): string | undefined {
  const invocation = isMap(frame) ? frame['invocationId'] : undefined;
  return typeof invocation === 'string' ? invocation : undefined;
}
