import { afterEach, describe, expect, it, vi } from 'vitest';
import * as withBuffer from '../../../shared/wire/utf8.ts';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

async function asInBrowsers(): Promise<typeof withBuffer> {
  vi.resetModules();
  vi.stubGlobal('Buffer', undefined);
  const module = await import('../../../shared/wire/utf8.ts');
  vi.unstubAllGlobals();
  return module;
}

const texts = ['', 'plain', 'größer', '€ 😀', 'half \ud83d', 'x'.repeat(300)];

describe('UTF-8', () => {
  it('is written the same without a Buffer, as in browsers', async () => {
    const without = await asInBrowsers();
    expect(without.encodeUtf8).not.toBe(withBuffer.encodeUtf8);
    for (const text of texts) {
      const bytes = without.encodeUtf8(text);
      expect(Buffer.isBuffer(bytes)).toBe(false);
      expect([...bytes]).toEqual([...withBuffer.encodeUtf8(text)]);
    }
  });

  it('is written into the middle of something, with or without a Buffer', async () => {
    for (const utf8 of [withBuffer, await asInBrowsers()]) {
      for (const text of texts) {
        const target = utf8.scratch(1000);
        const count = utf8.writeUtf8(text, target, 7);
        const copy = utf8.copyOf(target, 7 + count);
        expect([...copy.subarray(7)]).toEqual([...utf8.encodeUtf8(text)]);
        expect([...copy.subarray(0, 7)]).toEqual([0, 0, 0, 0, 0, 0, 0]);
        target.fill(1);
        expect([...copy.subarray(7)]).toEqual([...utf8.encodeUtf8(text)]);
      }
    }
  });

  it('that is none is never read', () => {
    expect(() => withBuffer.decodeUtf8(new Uint8Array([0x61, 0xff]))).toThrow(TypeError);
  });
});
