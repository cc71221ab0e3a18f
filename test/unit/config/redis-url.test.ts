import { describe, expect, test } from 'vitest';
import { readRedisUrl } from '../../../shared/config/redis-url.ts';

const plain = { kind: 'server', tls: false, db: 0, master: '' };

describe('an address of Redis', () => {
  test.each([
    ['redis://host', { ...plain, addresses: [{ host: 'host', port: 6379 }] }],
    ['redis://host:7000/3', { ...plain, addresses: [{ host: 'host', port: 7000 }], db: 3 }],
    ['rediss://[::1]:7000/', { ...plain, tls: true, addresses: [{ host: '::1', port: 7000 }] }],
    ['redis://:p%40ss@host', { ...plain, password: 'p@ss', addresses: [{ host: 'host', port: 6379 }] }],
    ['REDIS://me:pw@host', { ...plain, username: 'me', password: 'pw', addresses: [{ host: 'host', port: 6379 }] }],
    [
      'rediss-cluster://:pw@a:7000,b,[fe80::1]:7002',
      {
        ...plain,
        kind: 'cluster',
        tls: true,
        password: 'pw',
        addresses: [
          { host: 'a', port: 7000 },
          { host: 'b', port: 6379 },
          { host: 'fe80::1', port: 7002 },
        ],
      },
    ],
    [
      'redis-sentinel://me:pw@a,b:5000/my-master/2',
      {
        kind: 'sentinel',
        tls: false,
        username: 'me',
        password: 'pw',
        addresses: [
          { host: 'a', port: 26379 },
          { host: 'b', port: 5000 },
        ],
        db: 2,
        master: 'my-master',
      },
    ],
  ])('%s is understood', (url, place) => {
    expect(readRedisUrl(url)).toEqual(place);
  });

  test.each([
    'redis',
    'redis://',
    'http://host',
    'redis://a,b',
    'redis://host:0',
    'redis://host:70000',
    'redis://host:x',
    'redis://host/db',
    'redis://host?family=6',
    'redis://a@b@host',
    'redis://:%zz@host',
    'redis-cluster://a,,b',
    'redis-cluster://a,b/1',
    'redis-sentinel://a',
    'redis-sentinel://a/',
    'redis-sentinel://a/master/x',
    'redis-other://a',
  ])('%s is refused', (url) => {
    expect(readRedisUrl(url)).toBeUndefined();
  });
});
