import { appendScript } from './append.ts';
import { commitScript } from './commit.ts';
import { counterScript } from './counter.ts';
import { dropScript, forgetScript, holdScript, listScript, reapScript } from './leases.ts';
import { headsScript, readScript, renumberScript } from './log-reads.ts';
import { pageScript, recordsScript } from './record-reads.ts';

/** Every script, for a connection to learn: the first call of one sends its text, the others its hash. */
export function allScripts(sharded: boolean): Record<string, { lua: string }> {
  const scripts = [appendScript(sharded), commitScript(sharded), counterScript, dropScript, holdScript, listScript];
  scripts.push(reapScript, forgetScript, headsScript, readScript, renumberScript, pageScript, recordsScript);
  return Object.fromEntries(scripts.map(({ name, lua }) => [name, { lua }]));
}
