/** A place in a trace, as W3C Trace Context writes it. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  /** Somebody upstream has chosen this trace to be recorded. */
  readonly sampled: boolean;
}

/** Ids of nothing but zeros are none, and there is no version `ff`. What a later version adds stands behind the flags. */
const grammar = /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.+)?$/;

/** From anybody: a bad one is as good as none, because a fault in it is no reason to refuse a request. */
export function readTraceparent(value: unknown): TraceParent | undefined {
  const found = typeof value === 'string' ? grammar.exec(value) : null;
  if (!found) return undefined;
  const [, version, traceId = '', spanId = '', flags = '', more] = found;
  if (version === '00' && more !== undefined) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Of a trace that is recorded: nobody is told of one that is not. */
export function writeTraceparent(traceId: string, spanId: string): string {
  return `00-${traceId}-${spanId}-01`;
}
