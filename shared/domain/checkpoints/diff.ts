import jsonPatch from 'fast-json-patch';
import type { PatchOperation } from '../../protocol/checkpoints.ts';

/**
 * What makes the one state out of the other. One pass over both, and never much longer than the new state itself:
 * each change repeats the whole path to it, and keys can be long, so where all paths together are longer, the new state
 * takes the place of the old one.
 */
export function changesBetween(from: unknown, to: unknown, bytesOfTo: number): PatchOperation[] {
  // Within an object, since the library compares only those; what it finds is told from one step further down.
  const changes = jsonPatch.compare({ s: from }, { s: to }) as PatchOperation[];
  // Before anybody looks into a path: until then long ones share their beginning, and apart they may fill the memory.
  const length = changes.reduce((sum, { path }) => sum + path.length + bytesAround, 0);
  if (length > Math.max(bytesOfTo, leastBytes)) return [{ op: 'replace', path: '', value: to }];
  return changes.map((change) => ({ ...change, path: change.path.slice('/s'.length) }));
}

/** `{"op":"replace","path":"","value":},` */
const bytesAround = 36;
/** Up to here changes are told one by one, even if all of it were shorter. */
const leastBytes = 16 * 1024;
