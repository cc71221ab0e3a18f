import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { recentK6 } from '../../loadtest/k6-command.ts';
import type { Summary } from '../../loadtest/k6/report.ts';
import { startFaultyProxy } from '../support/faulty-proxy.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import { startRedis } from '../support/redis-server.ts';

const main = fileURLToPath(new URL('../../loadtest/run.ts', import.meta.url));
const reason = recentK6() === undefined ? ' (skipped: there is no k6; .ci/install-k6 builds it)' : '';
vi.setConfig({ testTimeout: 120_000 });

function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'agentwire-loadtest-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe.skipIf(reason !== '')(`a load test${reason}`, () => {
  test('finds every event that was lost, repeated and moved, and no other, in both formats', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const gateway = await startGatewayProcess({ REDIS_URL: redis.url });
    const proxy = await startFaultyProxy(gateway.port);
    onTestFinished(() => proxy.stop());
    const results = ownFolder();

    const env = { ...process.env, AGENTWIRE_URL: `http://127.0.0.1:${proxy.port}` };
    const child = spawn(process.execPath, [main, '--results', results, 'fanout'], { env, stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [code] = await once(child, 'exit');

    const { summary } = JSON.parse(readFileSync(join(results, 'summary.json'), 'utf8')) as { summary: Summary };
    const [{ faults } = { faults: {} }] = summary.loads;
    const { lost, repeated, outOfOrder } = proxy.done;
    expect(Math.min(lost, repeated, outOfOrder)).toBeGreaterThan(0);
    expect(faults).toEqual({
      lost,
      repeated,
      out_of_order: outOfOrder,
      resume_gap: 0,
      dropped_iterations: 0,
      unfinished: 0,
      failed: 0,
      owed: lost - repeated,
    });
    expect(summary.passed).toBe(false);
    expect(code).toBe(99);
    expect(readFileSync(join(results, 'report.html'), 'utf8')).toContain('profile ci: failed');
  });
});

test.each([
  ['a profile', ['--profile', 'desktop'], 'no profile is called desktop'],
  ['a scenario', ['fan-in'], 'no scenario is called fan-in'],
])('%s that is not there is named, and nothing is started', (_, args, message) => {
  const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  expect(status).toBe(2);
  expect(stderr).toContain(message);
});

test('where k6 cannot be built, the last words of the build stand before what to do', () => {
  const folder = ownFolder();
  writeFileSync(join(folder, 'go'), '#!/bin/sh\necho no such module >&2\nexit 1\n', { mode: 0o755 });
  const install = fileURLToPath(new URL('../../.ci/install-k6', import.meta.url));
  const { status, stderr } = spawnSync(install, { encoding: 'utf8', env: { PATH: `${folder}:/usr/bin:/bin` } });
  expect(status).toBe(2);
  expect(stderr).toMatch(/^no such module\nk6 could not be built: install k6 2.2 or newer/);
});
