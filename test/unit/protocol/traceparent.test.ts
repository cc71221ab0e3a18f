import { expect, it } from 'vitest';
import { readTraceparent, writeTraceparent } from '../../../shared/protocol/traceparent.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

it('reads what it writes', () => {
  expect(readTraceparent(writeTraceparent(traceId, spanId))).toEqual({ traceId, spanId, sampled: true });
});

it.each([
  ['00', false],
  ['01', true],
  ['02', false],
  ['ff', true],
])('flags %s: sampled %s', (flags, sampled) => {
  expect(readTraceparent(`00-${traceId}-${spanId}-${flags}`)).toEqual({ traceId, spanId, sampled });
});

it('passes over what a later version adds', () => {
  expect(readTraceparent(`cc-${traceId}-${spanId}-01-what-comes`)).toEqual({ traceId, spanId, sampled: true });
});

it.each<[string, unknown]>([
  ['nothing', undefined],
  ['null', null],
  ['a number', 17],
  ['a map', { traceId }],
  ['the empty string', ''],
  ['version ff', `ff-${traceId}-${spanId}-01`],
  ['a trace of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
  ['a span of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
  ['capitals', `00-${traceId.toUpperCase()}-${spanId}-01`],
  ['a short trace', `00-${traceId.slice(1)}-${spanId}-01`],
  ['a short span', `00-${traceId}-${spanId.slice(1)}-01`],
  ['no flags', `00-${traceId}-${spanId}`],
  ['short flags', `00-${traceId}-${spanId}-1`],
  ['something behind version 00', `00-${traceId}-${spanId}-01-x`],
  ['a line break behind it', `00-${traceId}-${spanId}-01\n`],
  ['something before it', ` 00-${traceId}-${spanId}-01`],
  ['something glued to a later version', `01-${traceId}-${spanId}-01x`],
])('takes %s for none', (_, value) => {
  expect(readTraceparent(value)).toBeUndefined();
});
