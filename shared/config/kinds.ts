import { readRedisUrl } from './redis-url.ts';

/** How the text of an environment variable becomes a value. `read` gets it trimmed and never empty. */
export interface Kind<T> {
  /** What may be written, for the help. */
  readonly says: string;
  read(text: string): Reading<T>;
}

/** A fault goes on from "NAME": it says what the value is not, and never repeats it, as it may be a secret. */
export type Reading<T> = { ok: true; value: T } | { ok: false; fault: string };

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Token {
  token: string;
  /** Who comes with it; without one all who use this token are the same nameless identity. */
  identity?: string;
}

/** The longest that a timer of Node can wait, less a margin: beyond it a timer runs at once. */
export const longestMs = 2_000_000_000;

export function whole(least: number, most: number): Kind<number> {
  const says = `${least} to ${most}`;
  return {
    says,
    read(text) {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return value >= least && value <= most ? good(value) : bad(`is not a whole number from ${says}`);
    },
  };
}

export function oneOf<const T extends string>(...words: readonly T[]): Kind<T> {
  const says = words.join(' | ');
  return {
    says,
    read(text) {
      const word = words.find((other) => other === text.toLowerCase());
      return word === undefined ? bad(`is not one of ${words.join(', ')}`) : good(word);
    },
  };
}

export const text: Kind<string> = { says: 'text', read: good };

/** As a segment of a topic, since `agent.<name>.status` is one. */
export const agentName: Kind<string> = {
  says: 'name',
  read: (written) => (/^[\w-]{1,64}$/.test(written) ? good(written) : bad('is not 1 to 64 of A-Z a-z 0-9 _ -')),
};

export const httpUrl: Kind<string> = {
  says: 'https://…',
  read: (written) =>
    /^https?:\/\//i.test(written) && URL.canParse(written)
      ? good(written)
      : bad('is not an address like https://api.example.com'),
};

export function list(of: string): Kind<readonly string[]> {
  return { says: `${of}, comma-separated`, read: (written) => good([...new Set(items(written))]) };
}

/** What each of them means is told in docs.ts. */
export const redisUrl: Kind<string> = {
  says: 'redis://… | redis-cluster://… | redis-sentinel://…',
  read: (written) => (readRedisUrl(written) ? good(written) : bad('is not an address like redis://host:6379')),
};

export const origins: Kind<readonly string[]> = {
  says: 'origins, comma-separated',
  read(written) {
    const all: string[] = [];
    for (const item of items(written)) {
      const url = URL.canParse(item) ? new URL(item) : undefined;
      // An origin is compared as a whole, so one with a path, or without a scheme, would never match.
      if (!url || url.host === '' || url.pathname !== '/' || url.search !== '' || item.endsWith('/')) {
        return bad('holds an item that is not an origin like https://app.example.com');
      }
      all.push(`${url.protocol}//${url.host}`);
    }
    return good(all);
  },
};

export const tokens: Kind<readonly Token[]> = {
  says: 'token or token=identity, comma-separated',
  read(written) {
    const all = items(written).map(tokenOf);
    if (new Set(all.map((one) => one.token)).size < all.length) return bad('holds the same token twice');
    return good(all);
  },
};

/** At the last `=` that something follows: a token in base64 may end in `=` itself. */
function tokenOf(item: string): Token {
  const at = item.lastIndexOf('=');
  if (at <= 0 || at === item.length - 1) return { token: item };
  return { token: item.slice(0, at), identity: item.slice(at + 1) };
}

function items(written: string): string[] {
  return written
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function good<T>(value: T): Reading<T> {
  return { ok: true, value };
}

function bad(fault: string): { ok: false; fault: string } {
  return { ok: false, fault };
}
