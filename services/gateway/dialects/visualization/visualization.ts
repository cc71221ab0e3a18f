import { fail } from '../../../../shared/base/errors.ts';
import type { Failure, Result } from '../../../../shared/base/errors.ts';
import type { FrameOf } from '../../../../shared/protocol/frame-reader.ts';
import { decodeJson } from '../../../../shared/wire/json.ts';
import type { Client, Conversation } from '../../core/client.ts';
import { OneByOne } from '../../core/one-by-one.ts';
import type { Dialect } from '../dialect.ts';
import { errorFrame, heartbeatFrame, historyFrame, pongFrame, readFrame } from './frames.ts';
import type { frames } from './frames.ts';
import { requests } from './requests.ts';
import { visualFormat } from './visual-format.ts';

/** What agents do and think, and how the broker is, for pages that draw it. */
export const visualization: Dialect = {
  name: 'visualization',
  paths: ['/visualization/ws'],
  formats: [visualFormat],
  compression: 'when-offered',
  answered: requests,
  choose: () => '',
  open: (client) => new Viewing(client),
};

/** Frames that wait until what the ones before them ask for is done. */
const mostWaiting = 64;

type Frame = FrameOf<typeof frames>;

class Viewing implements Conversation {
  readonly #client: Client;
  readonly #order = new OneByOne(mostWaiting);
  /** It has watched something, which is to be given back. */
  #watched = false;

  constructor(client: Client) {
    this.#client = client;
    client.use(visualFormat);
    if (client.identity) return;
    // There is no frame by which a client could say later who it is.
    this.#refuse(fail('unauthenticated'));
    client.close('unauthenticated');
  }

  receive(bytes: Uint8Array, binary: boolean): void {
    const value = binary ? fail('bad_frame', 'frames are text here') : decodeJson(bytes);
    const frame = value.ok ? readFrame(value.value) : value;
    if (frame.ok) this.#inOrder(frame.value);
    else this.#refuse(frame);
    if (!frame.ok && frame.code === 'bad_frame') this.#client.badFrame();
    else this.#client.goodFrame();
  }

  refuse(_bytes: Uint8Array, _binary: boolean, code: 'busy' | 'rate_limited'): void {
    this.#refuse(fail(code));
  }

  heartbeat(): void {
    this.#client.send(heartbeatFrame);
  }

  closed(): void {
    if (this.#watched) this.#client.perform('visual.unwatch', {}, () => {});
  }

  /** One after the other: who pings behind a subscribe knows by the answer that it holds. */
  #inOrder(frame: Frame): void {
    const taken = this.#order.ask((next) =>
      this.#act(frame, (result) => {
        if (!result.ok) this.#refuse(result);
        next();
      }),
    );
    if (!taken) this.#refuse(fail('busy'));
  }

  #act(frame: Frame, done: (result: Result<unknown>) => void): void {
    const client = this.#client;
    switch (frame.type) {
      case 'subscribe':
        this.#watched = true;
        return client.perform('visual.watch', { channels: frame.channels, filters: frame.filters }, done);
      case 'unsubscribe':
        return client.perform('visual.unwatch', frame.channels ? { channels: frame.channels } : {}, done);
      case 'history': {
        const { channel, limit, filters } = frame;
        return client.perform('visual.history', { channel, filters, limit }, (found) => {
          if (found.ok) client.answer(historyFrame(channel, found.value.messages));
          done(found);
        });
      }
      case 'ping':
        client.answer(pongFrame);
        return done({ ok: true, value: undefined });
    }
  }

  #refuse({ message }: Failure): void {
    this.#client.answer(errorFrame(message));
  }
}
