/**
 * Where Redis is. `host` and `port` are those of a server, of some nodes of a cluster or of the sentinels; the
 * credentials are always the servers' own.
 */
export interface RedisPlace {
  readonly kind: 'server' | 'cluster' | 'sentinel';
  readonly tls: boolean;
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  readonly username?: string;
  readonly password?: string;
  readonly db: number;
  /** What the sentinels call the master; '' unless they are asked. */
  readonly master: string;
}

/**
 * Reads `redis://host`, `redis-cluster://host,host` or `redis-sentinel://host,host/master`, each with `rediss` for TLS
 * and `user:password@`. Several addresses make it no URL of the standard, so it is taken apart by hand.
 */
export function readRedisUrl(url: string): RedisPlace | undefined {
  const parts = /^(rediss?)(?:-(cluster|sentinel))?:\/\/(?:([^/@]*)@)?([^/@?#]+)(?:\/([^?#]*))?$/i.exec(url);
  if (!parts) return undefined;
  const [, scheme = '', kind = 'server', credentials = '', hosts = '', path = ''] = parts;
  const place = kind.toLowerCase() as RedisPlace['kind'];
  const addresses = hosts.split(',').map((host) => readAddress(host, place === 'sentinel' ? 26_379 : 6379));
  if (addresses.includes(undefined) || (place === 'server' && addresses.length > 1)) return undefined;
  const inside = readPath(place, path);
  const who = readCredentials(credentials);
  if (!inside || !who) return undefined;
  return {
    kind: place,
    tls: scheme.toLowerCase() === 'rediss',
    addresses: addresses.filter((address) => address !== undefined),
    ...who,
    ...inside,
  };
}

function readAddress(text: string, usual: number): { host: string; port: number } | undefined {
  const parts = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/i.exec(text.trim());
  const host = parts?.[1] ?? parts?.[2];
  const port = parts?.[3] === undefined ? usual : Number(parts[3]);
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port };
}

/** A cluster has one database only, and the master of sentinels has a name. */
function readPath(kind: RedisPlace['kind'], path: string): { db: number; master: string } | undefined {
  const forms = { server: /^()(\d{0,4})$/, cluster: /^()(0?)$/, sentinel: /^([\w.-]+)(?:\/(\d{0,4}))?$/ };
  const parts = forms[kind].exec(path);
  return parts ? { db: Number(parts[2] ?? 0), master: parts[1] ?? '' } : undefined;
}

function readCredentials(text: string): { username?: string; password?: string } | undefined {
  const colon = text.indexOf(':');
  const who: { username?: string; password?: string } = {};
  try {
    const username = decodeURIComponent(colon < 0 ? text : text.slice(0, colon));
    if (username !== '') who.username = username;
    if (colon >= 0) who.password = decodeURIComponent(text.slice(colon + 1));
  } catch {
    return undefined;
  }
  return who;
}
