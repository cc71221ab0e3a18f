import { withoutTraceparent } from '../../../../shared/wire/event-frame.ts';
import { encodeUtf8 } from '../../../../shared/wire/utf8.ts';
import { invocationOf, kindOf, runEventOf, runIsGone } from '../../core/run-entries.ts';
import { saysGone } from '../../hub/entry.ts';
import type { Entry, Event } from '../../hub/entry.ts';
import { nextFormatIndex } from '../../hub/format.ts';
import type { Format } from '../../hub/format.ts';
import { endedFrame, errorFrame } from './frames.ts';

/** The events of a run as this dialect has them; the one that ends it is a frame of its own kind. */
class RunsFormat implements Format {
  readonly index = nextFormatIndex();
  readonly name = 'agent-runs';
  readonly binary = false;

  encode(entry: Entry): Uint8Array {
    const invocation = invocationOf(entry);
    if (entry.kind === 'event') return encodeEvent(entry, invocation);
    if (saysGone(entry)) return errorFrame(runIsGone, invocation);
    // There is no frame for it, and an `event` may hold anything: a client that looks learns that something is missing.
    const missing =
      entry.kind === 'gap'
        ? { kind: 'dropped', from: entry.from, to: entry.to, count: entry.to - entry.from + 1 }
        : { kind: 'dropped', reason: 'epoch' };
    return frame(invocation, `{"data":${JSON.stringify(missing)}}`);
  }
}

function encodeEvent(event: Event, invocation: string): Uint8Array {
  const kind = kindOf(event);
  if (kind === 'completed' || kind === 'cancelled') return endedFrame(kind, invocation);
  if (kind !== 'failed') return frame(invocation, withoutTraceparent(event.body));
  const data = runEventOf(event);
  return errorFrame(data.kind === 'failed' ? data.error.message : kind, invocation);
}

/** Splices and never parses. Ids of runs are of letters that need no escaping: they are segments of topics. */
function frame(invocation: string, body: string): Uint8Array {
  return encodeUtf8(`{"type":"event","invocationId":"${invocation}",${body.slice(1)}`);
}

export const runsFormat: Format = new RunsFormat();
