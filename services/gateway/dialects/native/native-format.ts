import type { Failure, Result } from '../../../../shared/base/errors.ts';
import { makeError, makeOk } from '../../../../shared/protocol/pushes.ts';
import type { RequestId } from '../../../../shared/protocol/common.ts';
import { formats } from '../../../../shared/wire/formats.ts';
import type { Format as WireFormat, FormatCodec } from '../../../../shared/wire/formats.ts';
import type { Entry } from '../../hub/entry.ts';
import { nextFormatIndex } from '../../hub/format.ts';
import type { Format } from '../../hub/format.ts';

/** The native protocol in one encoding. */
export class NativeFormat implements Format {
  readonly index = nextFormatIndex();
  readonly name: WireFormat;
  readonly binary: boolean;
  readonly #codec: FormatCodec;

  constructor(name: WireFormat) {
    this.name = name;
    this.#codec = formats[name];
    this.binary = this.#codec.binary;
  }

  decode(bytes: Uint8Array): Result<unknown> {
    return this.#codec.decode(bytes);
  }

  /** For all: an event's bytes are spliced or packed once, and shared. */
  encode(entry: Entry): Uint8Array {
    if (entry.kind === 'event') return this.#codec.eventFrame(entry);
    const { topic } = entry;
    if (entry.kind === 'renumbered') {
      return this.#codec.encode({ type: 'dropped', topic, epoch: entry.epoch, reason: 'epoch' });
    }
    const { from, to } = entry;
    return this.#codec.encode({ type: 'dropped', topic, from, to, count: to - from + 1 });
  }

  /** For one. */
  ok(id: RequestId, result: unknown): Uint8Array {
    return this.#codec.encode(makeOk(id, result));
  }

  error(failure: Failure, id: RequestId | undefined): Uint8Array {
    return this.#codec.encode(makeError(failure, id));
  }

  frame(frame: { type: 'pong' | 'goaway' } & Record<string, unknown>): Uint8Array {
    return this.#codec.encode(frame);
  }
}

export const nativeFormats = { json: new NativeFormat('json'), msgpack: new NativeFormat('msgpack') } as const;
