import { readFileSync } from 'node:fs';

/** Of the package that this file was installed or built in: the nearest package.json upwards. */
export function packageVersion(): string {
  for (let folder = new URL('.', import.meta.url); ; folder = new URL('..', folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8')) as Record<
        string,
        string
      >;
      if (name === 'agentwire' && version) return version;
    } catch {
      // Not in this folder.
    }
    if (folder.pathname === '/') return 'unknown';
  }
}
