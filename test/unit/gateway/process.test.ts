import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { join, Refused } from '../../support/client.ts';
import { startGatewayProcess } from '../../support/gateway-process.ts';
import type { ServiceMain } from '../../support/gateway-process.ts';

describe.each<ServiceMain>(['gateway', 'standalone'])('the process of the %s', (service) => {
  it('on SIGTERM says goaway, refuses newcomers, closes with 1001 and ends with 0', async () => {
    const gateway = await startGatewayProcess({ AGENTWIRE_DRAIN_MS: '2000' }, service);
    const clients = [await join(gateway.port), await join(gateway.port, { format: 'msgpack' })];
    for (const client of clients) await client.request({ type: 'subscribe', topics: ['a.b'] });
    gateway.signal('SIGTERM');
    for (const client of clients) {
      const goaway = await client.waitFor((frame) => frame.type === 'goaway', 'goaway');
      expect(goaway).toEqual({ type: 'goaway', reason: 'draining', reconnectAfterMs: expect.any(Number) });
      expect(goaway['reconnectAfterMs']).toBeLessThanOrEqual(2000);
    }
    // Still here, and still served.
    const refused = await join(gateway.port).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Refused);
    expect(refused).toMatchObject({ status: 503 });
    expect((await gateway.http('GET', '/readyz')).status).toBe(503);
    expect((await gateway.http('GET', '/healthz')).status).toBe(200);
    await clients[0]!.request({ type: 'publish', topic: 'a.b', data: 'late' });
    for (const client of clients) {
      expect((await client.gather(1))[0]?.data).toBe('late');
      expect(await client.end()).toMatchObject({ code: 1001 });
    }
    expect(await gateway.exited).toBe(0);
  });

  it('on SIGTERM ends at once when its clients have left', async () => {
    const gateway = await startGatewayProcess({ AGENTWIRE_DRAIN_MS: '600000' }, service);
    const client = await join(gateway.port);
    await client.ask({ type: 'ping' });
    gateway.signal('SIGTERM');
    await client.waitFor((frame) => frame.type === 'goaway');
    client.cut();
    expect(await gateway.exited).toBe(0);
  });

  it('answers --help and ends with 0, and names a bad setting and ends with 2', () => {
    const main = fileURLToPath(new URL(`../../../services/${service}/main.ts`, import.meta.url));
    const run = (args: string[], env: Record<string, string>) =>
      spawnSync(process.execPath, [main, ...args], {
        env: { PATH: process.env['PATH'] ?? '', ...env },
        encoding: 'utf8',
      });
    const help = run(['--help'], {});
    expect([help.status, help.stdout.includes('AGENTWIRE_MAX_CONNECTIONS')]).toEqual([0, true]);
    const bad = run([], { AGENTWIRE_QUEUE: 'many', AGENTWIRE_QUEUES: '1' });
    expect(bad.status).toBe(2);
    expect(bad.stderr).toContain('AGENTWIRE_QUEUE ');
    expect(bad.stderr).toContain('AGENTWIRE_QUEUES is not an option; did you mean AGENTWIRE_QUEUE?');
  });

  it('says why it cannot listen, and ends with 1', async () => {
    const first = await startGatewayProcess({}, service);
    const main = fileURLToPath(new URL(`../../../services/${service}/main.ts`, import.meta.url));
    const env = { PATH: process.env['PATH'] ?? '', PORT: String(first.port), HOST: '127.0.0.1' };
    const second = spawnSync(process.execPath, [main], { env, encoding: 'utf8' });
    expect(second.status).toBe(1);
    expect(second.stderr).toContain(`cannot listen on 127.0.0.1:${first.port}`);
  });
});

it.each<[ServiceMain, number]>([
  ['gateway', 1],
  ['standalone', 0],
])('a %s without REDIS_URL says so many times that it is alone: %i', async (service, times) => {
  const gateway = await startGatewayProcess({}, service);
  const warnings = gateway.output().match(/"level":"warn".*without REDIS_URL this gateway is alone/g) ?? [];
  expect(warnings).toHaveLength(times);
});
