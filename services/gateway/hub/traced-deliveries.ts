import type { Tracing } from '../../../shared/observe/tracing.ts';
import { traceparentIn } from '../../../shared/wire/event-frame.ts';
import type { LaneParts } from './fast-lane.ts';

/**
 * A span for each event that is in a trace, whoever published it, and wherever: one a node, and not one a connection.
 * Who is behind gets it later from the log, and is not counted.
 */
export function tracedDeliveries(tracing: Tracing): NonNullable<LaneParts['delivered']> {
  return ({ topic, seq, body }, connections) => {
    const trace = connections > 0 ? traceparentIn(body) : undefined;
    if (trace !== undefined) tracing.delivered({ topic, seq, trace, connections });
  };
}
