import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export const root = fileURLToPath(new URL('../..', import.meta.url));
/** Debian has some programs where only root's PATH leads. */
export const environment = { ...process.env, PATH: `${process.env['PATH']}:/usr/local/sbin:/usr/sbin` };

export function textOf(path: string): string {
  return readFileSync(`${root}${path}`, 'utf8');
}

export function yamlOf<T>(path: string): T {
  return parse(textOf(path), { merge: true }) as T;
}

/** The end of a test's name where a program lacks: empty where it is there, else why the test is skipped. */
export function lacks(program: string, ...args: string[]): string {
  return spawnSync(program, args, { env: environment }).error ? ` (skipped: ${program} is not installed)` : '';
}

/** What a program said, and whether it was content. */
export function run(program: string, ...args: string[]): { ok: boolean; output: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: root, env: environment, encoding: 'utf8' });
  return { ok: status === 0, output: `${stdout}${stderr}` };
}

/** The words of an npm script: a container starts with the same ones, as its first process. */
export function npmScript(name: string): string[] {
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
  return scripts[name]?.split(' ') ?? [];
}
