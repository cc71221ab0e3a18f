import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { AgentRun } from '../../../shared/client/run.ts';
import { closeAdvice, closeCodes } from '../../../shared/protocol/close-codes.ts';
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
