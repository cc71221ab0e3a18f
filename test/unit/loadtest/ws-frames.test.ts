import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader, textFrame } from '../../../loadtest/bench/ws-frames.ts';

const eventBytes = 200;
const headBytes = 256;

interface Frame {
  opcode: number;
  payload: Buffer;
}

/** As a server writes it: not masked, its length in one, three or nine bytes. */
function written({ opcode, payload }: Frame): Buffer {
  const { length } = payload;
  if (length < 126) return Buffer.concat([Buffer.from([0x80 | opcode, length]), payload]);
  const header = Buffer.alloc(length < 0x1_0000 ? 4 : 10);
  header[0] = 0x80 | opcode;
  header[1] = length < 0x1_0000 ? 126 : 127;
  if (length < 0x1_0000) header.writeUInt16BE(length, 2);
  else header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}

function payloadOf(size: number, first: number): Buffer {
  return Buffer.from(Array.from({ length: size }, (_, index) => (first + index * 7) & 0xff));
}

// Every form of the length, and the edges between them.
const size = fc.oneof(
  fc.nat(130),
  fc.constantFrom(0, 1, 125, 126, 127, eventBytes - 1, eventBytes, headBytes - 1, headBytes, headBytes + 1),
  fc.constantFrom(0xfffe, 0xffff, 0x1_0000, 0x1_0001),
  fc.nat(2000),
);
const frames = fc.array(
  fc.record({ opcode: fc.constantFrom(1, 2), size, first: fc.nat(255) }).map((frame): Frame => ({
    opcode: frame.opcode,
    payload: payloadOf(frame.size, frame.first),
  })),
  { maxLength: 12 },
);
const control = fc.record({ opcode: fc.constantFrom(9, 10), size: fc.nat(125), first: fc.nat(255) });
/** How many bytes each read brings, over and over: single bytes cut every header, long reads none. */
const reads = fc.array(fc.oneof(fc.constantFrom(1, 2, 3, 5), fc.integer({ min: 1, max: 4000 })), {
  minLength: 1,
  maxLength: 20,
});

/** In one buffer that is used again for each read, as the sockets of the generator do. */
function feed(reader: FrameReader, stream: Buffer, sizes: readonly number[], offset = 0): void {
  const inbound = Buffer.alloc(offset + Math.max(...sizes));
  for (let at = 0, turn = 0; at < stream.length; turn++) {
    const end = Math.min(stream.length, at + sizes[turn % sizes.length]!);
    inbound.fill(0xff);
    stream.copy(inbound, offset, at, end);
    reader.read(inbound, offset, offset + end - at);
    at = end;
  }
}

describe('the frame reader of the measurements', () => {
  it('counts every frame, and events by their length, wherever the reads cut the stream', () => {
    fc.assert(
      fc.property(frames, reads, fc.nat(20), (sent, sizes, offset) => {
        const reader = new FrameReader(eventBytes);
        feed(reader, Buffer.concat(sent.map(written)), sizes, offset);
        expect(reader.frames).toBe(sent.length);
        expect(reader.events).toBe(sent.filter(({ payload }) => payload.length >= eventBytes).length);
        expect(reader.closed).toBe(false);
      }),
    );
  });

  it('shows the beginning of each frame once and in order', () => {
    fc.assert(
      fc.property(frames, reads, (sent, sizes) => {
        const reader = new FrameReader(eventBytes);
        const heads: string[] = [];
        reader.onHead = (head) => heads.push(head.toString('hex'));
        feed(reader, Buffer.concat(sent.map(written)), sizes);
        expect(heads).toEqual(sent.map(({ payload }) => payload.toString('hex', 0, headBytes)));
      }),
    );
  });

  it('counts and shows no ping and no pong, whatever stands between them', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(frames, control), { maxLength: 4 }), reads, (groups, sizes) => {
        const reader = new FrameReader(eventBytes);
        let shown = 0;
        reader.onHead = () => (shown += 1);
        const stream = groups.flatMap(([sent, { opcode, size: length, first }]) => [
          ...sent.map(written),
          written({ opcode, payload: payloadOf(length, first) }),
        ]);
        feed(reader, Buffer.concat(stream), sizes);
        const due = groups.reduce((sum, [sent]) => sum + sent.length, 0);
        expect([reader.frames, shown]).toEqual([due, due]);
      }),
    );
  });

  it('counts a frame only when its last byte has come', () => {
    fc.assert(
      fc.property(size, fc.nat(), (length, seed) => {
        const bytes = written({ opcode: 2, payload: payloadOf(length, seed) });
        const reader = new FrameReader(eventBytes);
        const cut = seed % bytes.length;
        reader.read(bytes, 0, cut);
        expect(reader.frames).toBe(0);
        reader.read(bytes, cut, bytes.length - 1);
        expect(reader.frames).toBe(0);
        reader.read(bytes, Math.max(cut, bytes.length - 1), bytes.length);
        expect(reader.frames).toBe(1);
      }),
    );
  });

  it('sees the close of the server, behind what came before it', () => {
    fc.assert(
      fc.property(frames, reads, (sent, sizes) => {
        const reader = new FrameReader(eventBytes);
        feed(reader, Buffer.concat([...sent, { opcode: 8, payload: Buffer.from([3, 0xe8]) }].map(written)), sizes);
        expect([reader.frames, reader.closed]).toEqual([sent.length, true]);
      }),
    );
  });
});

describe('a frame that is sent', () => {
  it('is masked text, which unmasked is what was given', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const frame = textFrame(text);
        const { length } = Buffer.from(text);
        const header = length < 126 ? 2 : 4;
        expect(frame[0]).toBe(0x81);
        expect(frame[1]).toBe(0x80 | (length < 126 ? length : 126));
        if (length >= 126) expect(frame.readUInt16BE(2)).toBe(length);
        const mask = frame.subarray(header, header + 4);
        const payload = frame.subarray(header + 4).map((byte, index) => byte ^ mask[index & 3]!);
        expect(Buffer.from(payload)).toEqual(Buffer.from(text));
      }),
    );
  });

  it('is refused when it is longer than the generator can write', () => {
    expect(() => textFrame('x'.repeat(0x1_0000))).toThrow(RangeError);
  });
});
