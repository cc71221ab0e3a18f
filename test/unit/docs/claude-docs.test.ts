import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readAsked } from '../../../services/worker/agents/claude/asked.ts';
import { toolNames } from '../../../services/worker/agents/claude/tools.ts';

const page = readFileSync(new URL('../../../docs/claude.md', import.meta.url), 'utf8');
const [, fields = '', , tools = ''] = page.split(/^## .*$/m);

const named = (section: string): string[] =>
  [...section.matchAll(/^\| (`.+?) \|/gm)].flatMap((row) => [...row[1]!.matchAll(/`(\w+)`/g)].map((name) => name[1]!));

it('the page names every field, with the defaults that hold', () => {
  const { text, model, maxTokens, ...others } = readAsked({ prompt: 'hi', system: 'be brief' });
  expect(named(fields).toSorted()).toEqual(['prompt', 'text', 'model', 'maxTokens', ...Object.keys(others)].toSorted());
  expect(text).toBe('hi');
  expect(fields).toContain(`\`${model}\` where none is named`);
  expect(fields).toContain(`${maxTokens.toLocaleString('en')} by default`);
});

it('the page names every tool', () => {
  expect(named(tools)).toEqual(toolNames);
});
