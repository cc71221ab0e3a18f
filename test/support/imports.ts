import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/** A file of ours and what it imports: paths from the root of the repository, and names of packages. Types count. */
export interface Source {
  file: string;
  lines: number;
  files: string[];
  packages: string[];
}

export function readSources(root: string, folders: readonly string[]): Source[] {
  return folders
    .flatMap((folder) => filesUnder(root, folder))
    .map((file) => parseSource(file, readFileSync(join(root, file), 'utf8')));
}

export function parseSource(file: string, text: string): Source {
  const specifiers = specifiersOf(text);
  const files = specifiers.filter((specifier) => specifier.startsWith('.'));
  return {
    file,
    lines: text.trimEnd().split('\n').length,
    files: files.map((specifier) => posix.join(posix.dirname(file), specifier)),
    packages: specifiers.filter((specifier) => !specifier.startsWith('.')).map(packageName),
  };
}

/** Static imports and exports, bare imports, and `import()` of values and of types. */
function specifiersOf(text: string): string[] {
  const statements = /^[ \t]*(?:import|export)\s(?:[^'";]*?\bfrom\s*)?\s*['"]([^'"]+)['"]/gm;
  const calls = /\b(?:import|require)\(\s*['"]([^'"]+)['"]/g;
  return [...text.matchAll(statements), ...text.matchAll(calls)].map((match) => match[1] ?? '');
}

function packageName(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Each group of files that reach each other is named once, by one way around. */
export function findCycles(sources: readonly Source[]): string[] {
  const imports = new Map(sources.map((source) => [source.file, source.files]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, path: string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) cycles.push([...path.slice(at), file].join(' → '));
    if (at >= 0 || done.has(file)) return;
    for (const next of imports.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const { file } of sources) visit(file, []);
  return cycles;
}

function filesUnder(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => posix.relative(root, posix.join(entry.parentPath, entry.name)))
    .sort();
}
