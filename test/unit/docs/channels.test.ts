import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { expect, onTestFinished, test } from 'vitest';
import {
  AgentChannelClient,
  AgentChannelServer,
  SwarmChannelClient,
  SwarmChannelServer,
  TaskChannelClient,
  TaskChannelServer,
} from '../../../shared/client/index.ts';
import { startGatewayProcess } from '../../support/gateway-process.ts';

const agents = [AgentChannelClient, AgentChannelServer];
const tasks = [TaskChannelClient, TaskChannelServer];
const swarms = [SwarmChannelClient, SwarmChannelServer];
/** What the clients have in common is asked of the class below them. */
const common = Object.getPrototypeOf(AgentChannelClient) as typeof AgentChannelClient;
const classes = [...agents, ...tasks, ...swarms, common];
const docs = new URL('../../../docs/', import.meta.url);

/** What it prints, run as a program of its own that has the library by its name. */
async function outputOf(example: string, url: string): Promise<string[]> {
  const folder = await mkdtemp(`${tmpdir()}/agentwire-example-`);
  onTestFinished(() => rm(folder, { recursive: true }));
  const client = `${folder}/client.mjs`;
  const entryPoints = [fileURLToPath(new URL('../../../shared/client/index.ts', import.meta.url))];
  await build({ entryPoints, bundle: true, format: 'esm', platform: 'browser', outfile: client });
  const text = await readFile(new URL(`examples/${example}`, docs), 'utf8');
  await writeFile(`${folder}/${example}`, text.replace("'agentwire/client'", JSON.stringify(client)));
  const env = { ...process.env, AGENTWIRE_URL: url };
  const { stdout } = await promisify(execFile)(process.execPath, [`${folder}/${example}`], { env });
  return stdout.trimEnd().split('\n');
}

test('the examples run, and say what they say', async () => {
  const { port } = await startGatewayProcess({}, 'standalone');
  const url = `ws://127.0.0.1:${port}`;
  expect(await outputOf('agent-channel.mjs', url)).toEqual([
    'writer is busy',
    'the writer is well',
    'writer info: chapter one',
    'writer is offline',
  ]);
  expect(await outputOf('task-channel.mjs', url)).toEqual([
    '50 % in-progress',
    'done: { words: 212 }',
    'failed: true which language?',
    'run: a run is a task',
  ]);
  expect(await outputOf('swarm-channel.mjs', url)).toEqual([
    'ann says no',
    'ben says yes',
    'cleo says yes',
    'accepted: true { yes: 2, no: 1, abstain: 0 }',
    'now a hierarchical',
  ]);
});

test('the page names every method that there is', async () => {
  const page = await readFile(new URL('channels.md', docs), 'utf8');
  const general = /^(constructor|on|once|off|close|getSubscribed.*|unsubscribeFrom.*|submitDecision|proposal)$/;
  const guarded = /^(heard|topicsOf|tell|follow|followOne|unfollow|followedIds|publish)$/;
  for (const { prototype } of classes) {
    const methods = Object.getOwnPropertyNames(prototype).filter(
      (method) => !general.test(method) && !guarded.test(method),
    );
    expect(methods.filter((method) => !page.includes(`\`${method}`))).toEqual([]);
  }
});
