import { createHash, timingSafeEqual } from 'node:crypto';
import { fail, ok } from '../base/errors.ts';
import type { Result } from '../base/errors.ts';
import { anyone } from './identity.ts';
import type { Identity } from './identity.ts';

/** Tells who a token belongs to. `required` is false where everybody may come in. */
export interface Authenticator {
  readonly required: boolean;
  authenticate(token: string): Promise<Result<Identity>>;
}

export const openDoor: Authenticator = {
  required: false,
  authenticate: () => Promise.resolve(ok(anyone)),
};

interface KnownToken {
  readonly token: string;
  readonly identity?: string;
}

/** A fixed list of tokens. One without an identity of its own gets a name that does not give it away. */
export function tokenAuthenticator(tokens: readonly KnownToken[]): Authenticator {
  const known = tokens.map(({ token, identity }) => {
    const hash = digest(token);
    return { hash, identity: { id: identity ?? `token-${hash.toString('hex').slice(0, 12)}`, admin: false } };
  });
  return {
    required: true,
    authenticate(token) {
      // Hashes are of one length, and all of them are compared: the time taken tells nothing of the tokens there are.
      const offered = digest(token);
      let found: Identity | undefined;
      for (const { hash, identity } of known) if (timingSafeEqual(hash, offered)) found = identity;
      return Promise.resolve(found ? ok(found) : fail('unauthenticated', 'the token is not accepted'));
    },
  };
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
