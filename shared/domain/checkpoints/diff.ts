import jsonPatch from 'fast-json-patch';
import type { PatchOperation } from '../../protocol/checkpoints.ts';

/**
 * What makes the one state out of the other. One pass over both, and never longer than the new state itself: where it
 * would be (each change repeats the whole path to it, and keys can be long), that takes the place of the old one.
 */
export function changesBetween(from: unknown, to: unknown, bytesOfTo: number): PatchOperation[] {
  // Within an object, since the library compares only those; what it finds is told from one step further down.
  const changes = jsonPatch
    .compare({ s: from }, { s: to })
    .map((change) => ({ ...change, path: change.path.slice(2) }));
  const ofPaths = changes.reduce((length, { path }) => length + path.length, 0);
  return ofPaths > bytesOfTo ? [{ op: 'replace', path: '', value: to }] : (changes as PatchOperation[]);
}
