/** A UUID; in browsers too, where `crypto` is a global as it is in Node 20. */
export function newId(): string {
  return crypto.randomUUID();
}

const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789';

/** A short random name (epochs, node names): letters and digits only, so it fits into a topic, a header line or a log. */
export function shortId(length = 10): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  let id = '';
  for (const byte of bytes) id += alphabet[byte % alphabet.length];
  return id;
}
