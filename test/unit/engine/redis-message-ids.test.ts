import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../shared/engine/engine.ts';
import { body, codeOf, count, got } from '../../contracts/engine-bench.ts';
import { startEngine } from '../../support/engine-traffic.ts';
import { startRedis, type RedisServer } from '../../support/redis-server.ts';

describe('message ids on redis', () => {
  let server: RedisServer;
  let admin: Redis;
  let engine: Engine;

  beforeAll(async () => {
    server = await startRedis();
    admin = new Redis(server.url);
    ({ engine } = await startEngine(server.url));
  });
  afterAll(async () => {
    await engine.stop();
    admin.disconnect();
    await server.stop();
  });

  it('are remembered one by one and in crowds, whichever way they came first', async () => {
    const append = (n: number) => got(engine.log.append({ topic: 'a.b', body: body(n), messageId: `m${n}` }));
    const alone = [await append(1), await append(2), await append(3)];
    const crowd = await Promise.all(count(6, 4).map(append));
    expect([...alone, ...crowd].map(({ seq, duplicate }) => [seq, duplicate])).toEqual(
      count(6).map((seq) => [seq, false]),
    );
    const again = [...(await Promise.all(count(3).map(append))), await append(4), await append(5), await append(6)];
    expect(again).toEqual([...alone, ...crowd].map((first) => ({ ...first, duplicate: true })));
  });

  it('are remembered where their event landed, when a stream was ahead of its numbering', async () => {
    const id = (messageId: string) => got(engine.log.append({ topic: 'ahead', body: body(0), messageId }));
    for (const messageId of ['m1', 'm2', 'm3']) await id(messageId);
    const [meta = ''] = await admin.keys('aw:m:*:ahead');
    const words = ((await admin.get(meta)) ?? '').split(' ');
    await admin.set(meta, words.with(1, '1').join(' '), 'KEEPTTL');
    const other = await startEngine(server.url);
    try {
      const landed = await got(other.engine.log.append({ topic: 'ahead', body: body(0), messageId: 'm4' }));
      expect(landed.seq).toBe(4);
      expect(await id('m4')).toEqual({ ...landed, duplicate: true });
    } finally {
      await other.engine.stop();
    }
  });

  it('are still known when the numbering was lost', async () => {
    const id = (messageId: string) => got(engine.log.append({ topic: 'half', body: body(0), messageId }));
    const first = await id('m1');
    await admin.del((await admin.keys('aw:m:*:half'))[0] ?? '');
    const second = await id('m2');
    expect(second.epoch).not.toBe(first.epoch);
    expect([await id('m1'), await id('m2')]).toEqual([first, second].map((one) => ({ ...one, duplicate: true })));
  });

  it('of what was refused are not remembered', async () => {
    const end = { topic: 'run.1', body: body(0), messageId: 'end', seal: true };
    await got(engine.log.append({ topic: 'run.1', body: body(0), messageId: 'first' }));
    const first = await got(engine.log.append(end));
    const late = () => codeOf(engine.log.append({ topic: 'run.1', body: body(0), messageId: 'late' }));
    expect([await late(), await late()]).toEqual(['conflict', 'conflict']);
    expect(await got(engine.log.append(end))).toEqual({ ...first, duplicate: true });
  });
});
