import { Packr } from 'msgpackr';
import { expect, it } from 'vitest';
import { decodeMsgpack } from '../../../shared/wire/msgpack-decode.ts';
import { encodeMsgpack } from '../../../shared/wire/msgpack-encode.ts';
import { goldenFrames } from '../../fixtures/native/golden.ts';

/** What docs/protocol.md tells a client author to write: each of the three is needed for one of the tests below. */
const plain = new Packr({ useRecords: false, encodeUndefinedAsNil: true, int64AsType: 'number' });

const frames: readonly unknown[] = goldenFrames.map(({ json }) => JSON.parse(json));

it('msgpackr reads every golden frame that we write', () => {
  expect(frames.length).toBeGreaterThan(0);
  for (const frame of frames) expect(plain.unpack(encodeMsgpack(frame))).toEqual(frame);
});

it('msgpackr writes frames that we read', () => {
  for (const frame of frames) expect(decodeMsgpack(plain.pack(frame))).toEqual({ ok: true, value: frame });
});

it('a time in milliseconds that msgpackr writes as a double is read as the same number', () => {
  const written = plain.pack(1_795_233_390_981);
  expect(written[0]).toBe(0xcb);
  expect(decodeMsgpack(written)).toEqual({ ok: true, value: 1_795_233_390_981 });
});

it.each([
  // Its default packs maps as records, which are an extension.
  ['records', new Packr().pack({ type: 'ping' })],
  ['undefined, without the option', new Packr({ useRecords: false }).pack({ data: undefined })],
  ['typed arrays', new Packr({ useRecords: false, moreTypes: true }).pack({ data: new Float64Array(2) })],
  ['dates', plain.pack({ data: new Date(0) })],
  ['bytes', plain.pack({ data: new Uint8Array(2) })],
])('what msgpackr writes for %s is refused', (_what, bytes) => {
  expect(decodeMsgpack(bytes)).toMatchObject({ ok: false, code: 'bad_frame' });
});
