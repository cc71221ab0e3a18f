import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { lacks, root } from '../support/deploy-files.ts';

/** Says what Docker would, so far as `make cluster` asks it; `up` fails as over a port that is taken. */
const docker = `#!/bin/sh
case "$*" in
  'compose config gateway') echo "      replicas: $GATEWAYS" ;;
  'compose up '*) echo 'Container agentwire-haproxy-1 Starting'; echo 'Error: Bind for 127.0.0.1:8080 failed' >&2; exit 1 ;;
  'compose logs '*) echo 'a line of the logs' ;;
  'compose down') echo 'all is down' ;;
esac
`;
const withoutMake = lacks('make', '--version') || lacks('bash', '--version');

/** What it said is as on a terminal: both streams in one. */
function makeCluster(gateways: number): { status: number | null; stdout: string } {
  const folder = mkdtempSync(join(tmpdir(), 'agentwire-make-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'docker'), docker);
  chmodSync(join(folder, 'docker'), 0o755);
  // Nothing of a make that runs the tests: it would speak as one that was called by another.
  const env = { PATH: `${folder}:${process.env['PATH']}`, GATEWAYS: String(gateways) };
  return spawnSync('sh', ['-c', 'make cluster 2>&1'], { cwd: root, env, encoding: 'utf8' });
}

it.skipIf(withoutMake)(`make cluster refuses a cluster without a gateway${withoutMake}`, () => {
  const { status, stdout } = makeCluster(0);
  expect(status).not.toBe(0);
  expect(stdout).toContain('GATEWAYS must be 1 or more');
  expect(stdout).not.toContain('Starting');
});

it.skipIf(withoutMake)(
  `make cluster says at its end why the start failed, and leaves nothing running${withoutMake}`,
  () => {
    const { status, stdout } = makeCluster(3);
    expect(status).not.toBe(0);
    expect(stdout).toContain('all is down');
    // Make has the last word of all.
    const [reason, ofMake] = stdout.trim().split('\n').slice(-2);
    expect([reason, ofMake]).toEqual([
      'Error: Bind for 127.0.0.1:8080 failed',
      expect.stringContaining('cluster] Error 1'),
    ]);
  },
);
