import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface Manifest {
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

const pinned = ['../package.json', '../deploy/node-runtime/package.json'].flatMap((path) => {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read(path)) as Manifest;
  return Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies });
});

test('every dependency says on the page what it is for, and the page names no other', () => {
  const rows = read('../docs/dependencies.md').match(/^\| `[^|]*/gm) ?? [];
  const named = rows.flatMap((row) => [...row.matchAll(/`([^`]+)`/g)].map((match) => match[1]));
  expect(new Set(named)).toEqual(new Set(pinned.map(([name]) => name)));
});

test('every dependency is pinned to an exact version', () => {
  expect(pinned.filter(([, version]) => !/^(npm:[^@]+@)?\d+\.\d+\.\d+$/.test(version))).toEqual([]);
});
