import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { builtInAgents } from '../../../services/worker/agents/list.ts';
import { loadAgents } from '../../../services/worker/load-agents.ts';
import { configOf } from '../../support/in-process.ts';
import type { LoadedAgents } from '../../../services/worker/load-agents.ts';

const ofEveryBuild = builtInAgents(configOf({}));

/** Files in a folder of their own, gone at the end of the test; loads from there. */
async function load(files: Record<string, string>, modules: readonly string[]): Promise<LoadedAgents> {
  const folder = await mkdtemp(join(tmpdir(), 'agents-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return loadAgents(ofEveryBuild, modules, folder);
}

const agentNamed = (name: string): string => `{ name: '${name}', description: 'd', async *run() { yield 'hi'; } }`;

async function namesOf(files: Record<string, string>, modules: readonly string[]): Promise<string[]> {
  const loaded = await load(files, modules);
  return loaded.ok ? [...loaded.agents.keys()].slice(ofEveryBuild.length) : loaded.faults;
}

async function faultsOf(files: Record<string, string>, modules: readonly string[]): Promise<string[]> {
  const loaded = await load(files, modules);
  return loaded.ok ? [] : loaded.faults;
}

test('without modules there are those that every build has', async () => {
  const loaded = await load({}, []);
  const names = loaded.ok ? [...loaded.agents.keys()] : [];
  expect(names).toEqual(expect.arrayContaining(['echo', 'countdown', 'approval', 'fail', 'claude']));
});

test('a module is a path or a package, in any form that Node loads, with one agent or several', async () => {
  const files = {
    'one.mjs': `export default ${agentNamed('one')}`,
    'sub/two.ts': `const all: { name: string }[] = [${agentNamed('two')}, ${agentNamed('three')}]; export default all;`,
    'four.cjs': `module.exports = ${agentNamed('four')}`,
    'five.cjs': `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = ${agentNamed('five')}`,
    'node_modules/some-agents/package.json': '{ "name": "some-agents", "type": "module", "main": "main.js" }',
    'node_modules/some-agents/main.js': `class Six { name = 'six'; description = 'd'; async *run() {} } export default new Six();`,
  };
  const modules = ['./one.mjs', './sub/two.ts', './four.cjs', './five.cjs', 'some-agents'];
  expect(await namesOf(files, modules)).toEqual(['one', 'two', 'three', 'four', 'five', 'six']);
});

test('every fault of every module is named, and the module with it', async () => {
  const files = {
    'throws.mjs': `throw new TypeError('no such luck')`,
    'syntax.mjs': `export default {`,
    'empty.mjs': '',
    'class.mjs': `export default class {}`,
    'bare.mjs': `export default {}`,
    'name.mjs': `export default [${agentNamed('fine')}, ${agentNamed('not fine')}]`,
  };
  const modules = [...Object.keys(files).map((name) => `./${name}`), './none.mjs', 'no-such-package'];
  expect(await faultsOf(files, modules)).toEqual([
    'AGENTWIRE_AGENTS: ./throws.mjs: cannot be loaded: TypeError: no such luck',
    expect.stringMatching(/^AGENTWIRE_AGENTS: \.\/syntax\.mjs: cannot be loaded: /),
    'AGENTWIRE_AGENTS: ./empty.mjs: the default export is missing',
    'AGENTWIRE_AGENTS: ./class.mjs: the default export is a function, and must be an agent or an array of agents',
    'AGENTWIRE_AGENTS: ./bare.mjs: the default export has a name that is not 1 to 64 of A-Z a-z 0-9 _ -',
    'AGENTWIRE_AGENTS: ./bare.mjs: the default export has a description that is missing, not a string',
    'AGENTWIRE_AGENTS: ./bare.mjs: the default export has a run that is missing, not a function',
    "AGENTWIRE_AGENTS: ./name.mjs: the default export's [1] has a name that is not 1 to 64 of A-Z a-z 0-9 _ -",
    expect.stringMatching(
      /^AGENTWIRE_AGENTS: \.\/none\.mjs: cannot be loaded: Error: Cannot find module '.*none\.mjs'$/,
    ),
    "AGENTWIRE_AGENTS: no-such-package: cannot be loaded: Error: Cannot find package 'no-such-package'",
  ]);
});

test('a name belongs to one agent', async () => {
  const files = {
    'a.mjs': `export default [${agentNamed('echo')}, ${agentNamed('mine')}, ${agentNamed('mine')}]`,
    'b.mjs': `export default ${agentNamed('mine')}`,
  };
  expect(await faultsOf(files, ['./a.mjs', './b.mjs'])).toEqual([
    'AGENTWIRE_AGENTS: ./a.mjs: the name echo is taken by an agent that every build has',
    'AGENTWIRE_AGENTS: ./a.mjs: the name mine is taken by ./a.mjs',
    'AGENTWIRE_AGENTS: ./b.mjs: the name mine is taken by ./a.mjs',
  ]);
});
