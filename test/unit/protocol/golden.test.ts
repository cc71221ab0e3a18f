import { describe, expect, it } from 'vitest';
import type * as z from 'zod';
import { droppedFrame, errorFrame, eventFrame, goawayFrame, okFrame } from '../../../shared/protocol/pushes.ts';
import { pongFrame } from '../../../shared/protocol/ping.ts';
import { parseRequest, requestSchemas, resultSchemas } from '../../../shared/protocol/requests.ts';
import { formats } from '../../../shared/wire/formats.ts';
import { goldenFrames } from '../../fixtures/native/golden.ts';
import type { GoldenFrame } from '../../fixtures/native/golden.ts';

const pushSchemas: Record<string, z.ZodType> = {
  ok: okFrame,
  error: errorFrame,
  pong: pongFrame,
  event: eventFrame,
  dropped: droppedFrame,
  goaway: goawayFrame,
};

function read(frame: GoldenFrame): { json: unknown; msgpack: unknown } {
  const json = formats.json.decode(Buffer.from(frame.json));
  const msgpack = formats.msgpack.decode(Buffer.from(frame.msgpack, 'hex'));
  if (!json.ok) throw new Error(json.message);
  if (!msgpack.ok) throw new Error(msgpack.message);
  return { json: json.value, msgpack: msgpack.value };
}

describe.each(goldenFrames)('the golden $kind "$name" $json', (golden) => {
  it('reads the same from both formats', () => {
    const { json, msgpack } = read(golden);
    expect(msgpack).toStrictEqual(json);
    expect(json).toStrictEqual(JSON.parse(golden.json));
  });

  it('is written as it stands, byte for byte', () => {
    const { json } = read(golden);
    expect(Buffer.from(formats.json.encode(json)).toString()).toBe(golden.json);
    expect(Buffer.from(formats.msgpack.encode(json)).toString('hex')).toBe(golden.msgpack);
  });
});

const ofKind = (kind: GoldenFrame['kind']): GoldenFrame[] => goldenFrames.filter((frame) => frame.kind === kind);

describe('what the schema makes of a golden frame is that frame, nothing lost', () => {
  it.each(ofKind('request'))('request $name', (golden) => {
    const { json } = read(golden);
    const defaults = golden.name === 'history' ? { limit: 100 } : {};
    expect(parseRequest(json)).toStrictEqual({ ok: true, value: { ...defaults, ...(json as object) } });
  });

  it.each([...ofKind('result'), ...ofKind('push')])('$kind $name $json', (golden) => {
    const { json } = read(golden);
    const table: Record<string, z.ZodType> = golden.kind === 'result' ? resultSchemas : pushSchemas;
    expect(table[golden.name]?.safeParse(json)).toMatchObject({ success: true, data: json });
  });
});

describe('the golden frames', () => {
  const have = (kind: GoldenFrame['kind']): Set<string> =>
    new Set(ofKind(kind).map((frame) => frame.name.split(' ')[0] ?? ''));

  it('show every request', () => {
    expect(have('request')).toEqual(new Set(Object.keys(requestSchemas)));
  });

  it('show every result', () => {
    expect(have('result')).toEqual(new Set(Object.keys(resultSchemas)));
  });

  it('show every push and answer', () => {
    expect(have('push')).toEqual(new Set(Object.keys(pushSchemas)));
  });
});
