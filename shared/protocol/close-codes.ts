/** What a client does next: come back here, come back to another node, or stop until somebody changed something. */
export type CloseAdvice = 'come back' | 'come back elsewhere' | 'stop';

/** The codes that the server closes with. Frozen as the error codes are: clients decide by them. */
export const closeCodes = {
  draining: { code: 1001, advice: 'come back elsewhere', says: 'this node is shutting down' },
  frame_too_large: { code: 1009, advice: 'stop', says: 'a frame was over the size limit; it would be again' },
  protocol_abuse: { code: 4400, advice: 'stop', says: 'what was sent could not be understood' },
  unauthenticated: { code: 4401, advice: 'stop', says: 'no token came in time, or it was refused or ran out' },
  origin_refused: { code: 4403, advice: 'stop', says: 'pages of this origin may not connect' },
  no_sign_of_life: { code: 4408, advice: 'come back', says: 'nothing was heard from the client, or it did not read' },
  flooding: { code: 4429, advice: 'come back', says: 'more was sent than is taken, or answers were not read' },
} as const satisfies Record<string, { code: number; advice: CloseAdvice; says: string }>;

export type CloseName = keyof typeof closeCodes;

/** A code that is not ours (1006 above all: the connection was cut) is an accident of the way, so the client comes back. */
export function closeAdvice(code: number): CloseAdvice {
  for (const known of Object.values(closeCodes)) {
    if (known.code === code) return known.advice;
  }
  return 'come back';
}
