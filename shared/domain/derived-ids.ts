import { createHash } from 'node:crypto';

/**
 * A UUID that follows from what it is made of: of the version that RFC 9562 leaves to those who make their own. `number`
 * stands in its last twelve digits, for whoever has to find it again.
 */
export function derivedId(from: readonly string[], number?: number): string {
  const hex = createHash('sha256').update(JSON.stringify(from)).digest('hex');
  const variant = '89ab'[Number.parseInt(hex.slice(15, 16), 16) % 4];
  const node = number === undefined ? hex.slice(18, 30) : number.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(12, 15)}-${variant}${hex.slice(15, 18)}-${node}`;
}

/** The number that was put into it; nothing where it cannot be such an id. */
export function numberIn(id: string): number | undefined {
  const digits = /^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-([\da-f]{12})$/.exec(id)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}
