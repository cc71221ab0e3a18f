import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Checkpoints } from '../../../shared/client/checkpoints.ts';
import { AgentRun } from '../../../shared/client/run.ts';
import { Sessions } from '../../../shared/client/sessions.ts';
import { closeAdvice, closeCodes } from '../../../shared/protocol/close-codes.ts';
import { requestSchemas } from '../../../shared/protocol/requests.ts';
import { runRequest } from '../../../shared/protocol/runs.ts';

const page = readFileSync(new URL('../../../docs/client.md', import.meta.url), 'utf8');

test('the page says of every close code what the client does, and it is what the table of the protocol asks for', () => {
  const rows = [...page.matchAll(/^\| (\d{4}) \| (.*) \|$/gm)].map((row): [number, string] => [
    Number(row[1]),
    row[2]!,
  ]);
  expect(rows.map(([code]) => code)).toEqual(Object.values(closeCodes).map(({ code }) => code));
  for (const [code, does] of rows) {
    expect([code, does.includes('stops')]).toEqual([code, closeAdvice(code) === 'stop']);
  }
});

test('the page has everything that a run can be asked for, and every option of it', () => {
  const runs = page.slice(page.indexOf('## Runs'), page.indexOf('## Sessions'));
  const methods = Object.getOwnPropertyNames(AgentRun.prototype).filter((name) => name !== 'constructor');
  const rows = [...runs.matchAll(/^\| (.+?) \| /gm)].flatMap(([, cell]) => [...cell!.matchAll(/`(\w+)\(.*?\)`/g)]);
  const names = rows.map(([, name]) => name!);
  expect(names.sort()).toEqual(methods.sort());
  const { type, id, agent, input, attach, ...options } = runRequest.shape;
  expect([type, id, agent, input, attach]).not.toContain(undefined);
  for (const name of Object.keys(options)) expect(runs).toContain(`\`${name}\``);
});

const kinds = { sessions: ['session', Sessions], checkpoints: ['checkpoint', Checkpoints] } as const;

test.each(['sessions', 'checkpoints'] as const)(
  'the page has every method of `client.%s`, and every option',
  (name) => {
    const [kind, { prototype }] = kinds[name];
    const table = page.slice(page.indexOf(`| of \`client.${name}\``)).split('\n\n', 1)[0]!;
    const rows = new Map([...table.matchAll(/^\| `(\w+)(\(.*?\))` \| /gm)].map((row) => [row[1]!, row[2]!]));
    const methods = Object.getOwnPropertyNames(prototype).filter((method) => method !== 'constructor');
    expect([...rows.keys()].sort()).toEqual(methods.sort());
    for (const [method, takes] of rows) {
      const { shape } = requestSchemas[`${kind}.${method}` as keyof typeof requestSchemas];
      // A listing has the cursor of its pages to itself.
      const fields = Object.keys(shape).filter((field) => !['type', 'id', 'traceparent', 'cursor'].includes(field));
      expect([method, ...(takes.match(/\w+/g) ?? []).sort()]).toEqual([method, ...fields.sort()]);
    }
  },
);
