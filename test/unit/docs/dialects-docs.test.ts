import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { optionalFields } from '../../../shared/protocol/common.ts';
import type { FrameSchemas } from '../../../shared/protocol/frame-reader.ts';
import { frames as agentRuns } from '../../../services/gateway/dialects/agent-runs/frames.ts';
import { frames as chat } from '../../../services/gateway/dialects/chat/frames.ts';
import { methods } from '../../../services/gateway/dialects/checkpoints/frames.ts';
import { dialects } from '../../../services/gateway/dialects/list.ts';
import { frames as visualization } from '../../../services/gateway/dialects/visualization/frames.ts';

const page = readFileSync(new URL('../../../docs/dialects.md', import.meta.url), 'utf8');

/** What clients may say, as the first cells of a section's first table have it: the type, and each field with its `?`. */
function said(heading: string): string[][] {
  const [, section = ''] = page.split(`\n## ${heading}\n`);
  const [, table = ''] = section.split(/\n\| client \| \|\n/);
  const rows = table.split('\n\n')[0]!.match(/^\| `[^`]*`/gm) ?? [];
  return rows.map((row) =>
    [...row.replace(/\{"role".*\}(?=,)/, '').matchAll(/"(\w+)"(\??)/g)].map(([, name, mark]) => `${name}${mark}`),
  );
}

function fields(frames: FrameSchemas): string[][] {
  return Object.entries(frames).map(([type, { shape }]) => {
    const optional = optionalFields(shape);
    const rest = Object.keys(shape).filter((name) => name !== 'type');
    return ['type', type, ...rest.map((name) => (optional.has(name) ? `${name}?` : name))];
  });
}

it.each([
  ['Visualization (001)', visualization],
  ['Agent runs (003)', agentRuns],
  ['Chat (004)', chat],
])('%s: the page lists every frame of clients with its fields', (heading, frames) => {
  expect(said(heading).map((row) => row.toSorted())).toEqual(fields(frames).map((row) => row.toSorted()));
});

it('checkpoint commands (000): the page lists every method with its params', () => {
  const [, section = ''] = page.split('\n## Checkpoint commands (000)\n');
  const rows = [...section.matchAll(/^\| `\{"id","method":"(\w+)"(?:,"params":\{([^}]*)\})?\}`/gm)];
  const said = rows.map(([, method, params = '']) => [
    'type',
    method,
    ...[...params.matchAll(/"(\w+)"(\??)/g)].map(([, name, mark]) => `${name}${mark}`),
  ]);
  expect(said).toEqual(fields(methods));
});

it('the page names every path', () => {
  const paths = dialects.flatMap(({ paths: open, streamed = [], answered = [] }) => [
    ...open,
    ...[...streamed, ...answered].map(({ path }) => path),
  ]);
  for (const path of paths.filter((one) => one !== '/v1/ws')) expect(page).toContain(path.replace(':session', '{id}'));
});
