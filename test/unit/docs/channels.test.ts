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

test('the examples run, also where they have run before, and say what they say', async () => {
  const { port } = await startGatewayProcess({}, 'standalone');
  const url = `ws://127.0.0.1:${port}`;
  const twice = async (example: string): Promise<string[][]> => [
    await outputOf(example, url),
    await outputOf(example, url),
  ];
  const [first = [], again = []] = await twice('agent-channel.mjs');
  const agent = ['writer is busy', 'the writer is well', 'writer info: chapter one', 'writer is offline'];
  expect(first).toEqual(agent);
  // How it stood comes before all that is said of the same now.
  expect(again.filter((line) => line.startsWith('writer is'))).toEqual(['writer is offline', agent[0], agent[3]]);
  expect(again.toSorted()).toEqual([...agent, 'writer is offline', 'the writer is well'].toSorted());
  const task = ['50 % in-progress', 'done: { words: 212 }', 'failed: true which language?', 'run: a run is a task'];
  expect(await twice('task-channel.mjs')).toEqual([task, task]);
  const swarm = [
    'ann says no',
    'ben says yes',
    'cleo says yes',
    'accepted: true { yes: 2, no: 1, abstain: 0 }',
    'now a hierarchical',
  ];
  expect(await twice('swarm-channel.mjs')).toEqual([swarm, swarm]);
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
