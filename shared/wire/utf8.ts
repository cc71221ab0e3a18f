const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * The client runs in browsers, which have no Buffer. Where there is one it is worth asking for: the bytes of a text of
 * 300 characters put together from parts take 140 ns with it and 540 ns with TextEncoder (Node 20 and 22 alike).
 */
const hasBuffer = typeof Buffer !== 'undefined';

/** Throws a TypeError for bytes that are not UTF-8: a replaced character would be data that nobody sent. */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Lone surrogates, which UTF-8 cannot carry, become U+FFFD. */
export const encodeUtf8: (text: string) => Uint8Array = hasBuffer
  ? (text) => Buffer.from(text)
  : (text) => encoder.encode(text);

/** Writes at `at` into what `scratch` made, where three bytes per UTF-16 unit must be free; gives back the count. Lone surrogates as above. */
export const writeUtf8: (text: string, target: Uint8Array, at: number) => number = hasBuffer
  ? (text, target, at) => (target as Buffer).write(text, at)
  : (text, target, at) => encoder.encodeInto(text, target.subarray(at)).written;

export function scratch(size: number): Uint8Array {
  return hasBuffer ? Buffer.alloc(size) : new Uint8Array(size);
}

/** A copy that nothing else writes to. */
export const copyOf: (bytes: Uint8Array, length: number) => Uint8Array = hasBuffer
  ? (bytes, length) => {
      const copy = Buffer.allocUnsafe(length);
      (bytes as Buffer).copy(copy, 0, 0, length);
      return copy;
    }
  : (bytes, length) => bytes.slice(0, length);
