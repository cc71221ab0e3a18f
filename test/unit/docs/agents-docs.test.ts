import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { builtInAgents } from '../../../services/worker/agents/list.ts';
import { loadAgents } from '../../../services/worker/load-agents.ts';
import { configOf } from '../../support/in-process.ts';
import { lastAttempt, World } from '../worker/runner-harness.ts';

const docs = fileURLToPath(new URL('../../../docs/', import.meta.url));
const page = readFileSync(`${docs}agents.md`, 'utf8');
const example = readFileSync(`${docs}examples/word-count.js`, 'utf8');

it('the page shows the example as it is', () => {
  expect(page).toContain(`\`\`\`js\n${example}\`\`\``);
});

it('the example loads as a module of AGENTWIRE_AGENTS, and does what it says', async () => {
  const loaded = await loadAgents([], ['./word-count.js'], `${docs}examples`);
  const agents = loaded.ok ? [...loaded.agents.values()] : [];
  const world = new World();
  const invocation = await world.start({ agent: 'word-count' }, 'one two\nthree');
  await world.workOff(world.runner(agents), invocation);
  const events = lastAttempt(await world.events(invocation));
  expect(events.filter(({ kind }) => kind !== 'progress')).toEqual([
    { kind: 'chunk', text: 'line 1: 2\n' },
    { kind: 'chunk', text: 'line 2: 1\n' },
    { kind: 'completed', result: { lines: 2, words: 3 } },
  ]);
});

it('the page lists the agents that every build has', () => {
  const [, section = ''] = page.split('\n## Those that every build has\n');
  const named = [...section.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1]);
  expect(named).toEqual(builtInAgents(configOf({})).map(({ name }) => name));
});
