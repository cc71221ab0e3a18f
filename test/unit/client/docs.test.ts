import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { closeAdvice, closeCodes } from '../../../shared/protocol/close-codes.ts';

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
