import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const folder = fileURLToPath(new URL('../..', import.meta.url));
const bundle = new URL('../../dist/agentwire-client.js', import.meta.url);

/** The client library as a page loads it: made anew by the script that makes it for publishing. */
export function bundledKilobytes(): { plain: number; gzip: number } {
  execFileSync('npm', ['run', '--silent', 'client:bundle'], { cwd: folder, stdio: 'pipe' });
  const bytes = readFileSync(bundle);
  return { plain: bytes.length / 1000, gzip: gzipSync(bytes, { level: 9 }).length / 1000 };
}
