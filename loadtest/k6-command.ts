import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Where `.ci/install-k6` puts the one that it builds. */
const built = join(root, 'node_modules/.cache/agentwire');

/** On the PATH, or built before. */
export function recentK6(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), built];
  return folders.map((folder) => join(folder, 'k6')).find(isRecent);
}

/** Builds one where there is none; what that lacks, it says by itself. */
export function k6Command(): string | undefined {
  const there = recentK6();
  if (there !== undefined) return there;
  const { status } = spawnSync(join(root, '.ci/install-k6'), { stdio: 'inherit' });
  return status === 0 ? recentK6() : undefined;
}

/** The scripts are written for 2.2 and later. */
function isRecent(command: string): boolean {
  const { stdout } = spawnSync(command, ['version'], { encoding: 'utf8' });
  const [, major = 0, minor = 0] = /v(\d+)\.(\d+)/.exec(stdout ?? '')?.map(Number) ?? [];
  return major > 2 || (major === 2 && minor >= 2);
}
