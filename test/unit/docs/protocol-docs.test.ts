import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { errorTable } from '../../../shared/base/errors.ts';
import { closeCodes } from '../../../shared/protocol/close-codes.ts';
import { envelope, optionalFields } from '../../../shared/protocol/common.ts';
import { requestSchemas } from '../../../shared/protocol/requests.ts';
import { runEvents } from '../../../shared/protocol/run-events.ts';
import { runRecord, runStates } from '../../../shared/protocol/runs.ts';
import { sessionRecord } from '../../../shared/protocol/sessions.ts';
import { protocolVersion } from '../../../shared/protocol/version.ts';

const page = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8');

/** What stands under a heading, up to the next one of its rank or above. */
function section(heading: string): string {
  const rank = heading.indexOf(' ');
  const [, after] = page.split(`\n${heading}\n`);
  return (after ?? '').split(new RegExp(`^#{1,${rank}} `, 'm'))[0] ?? '';
}

/** The cells of a section's tables, without head and rule, and without the backticks around a cell. */
function rows(heading: string): string[][] {
  const lines = section(heading).match(/^\|.*\|$/gm) ?? [];
  const rule = lines.findIndex((line) => line.startsWith('| ---'));
  return lines.slice(rule + 1).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim().replace(/^`(.*)`$/, '$1')),
  );
}

it('the page lists every error code with its status, its advice and its meaning', () => {
  const table = Object.entries(errorTable).map(([code, { status, retryable, says }]) => [
    code,
    String(status),
    retryable ? 'yes' : 'no',
    says,
  ]);
  expect(rows('## Error codes')).toEqual(table);
});

it('the page lists every close code with its advice and its meaning', () => {
  const table = Object.values(closeCodes).map(({ code, advice, says }) => [String(code), advice, says]);
  expect(rows('## Close codes')).toEqual(table);
});

it('the page describes every request, and no other', () => {
  const described = [...section('## Requests').matchAll(/^### `(.+)`$/gm)].map((match) => match[1]);
  expect(new Set(described)).toEqual(new Set(Object.keys(requestSchemas)));
});

/** The page describes them once. */
const ofEvery = new Set(['type', ...Object.keys(envelope)]);

it.each(Object.entries(requestSchemas))(
  'the page names every field of %s, and which may be left out',
  (type, schema) => {
    const optional = optionalFields(schema.shape);
    const fields = Object.keys(schema.shape).filter((name) => !ofEvery.has(name));
    const named = rows(`### \`${type}\``).map(([name]) => name);
    expect(new Set(named)).toEqual(new Set(fields.map((name) => (optional.has(name) ? `${name}?` : name))));
  },
);

/** As the page writes them: those that may be left out with a `?`. */
function fieldsOf(shape: Parameters<typeof optionalFields>[0]): string[] {
  const optional = optionalFields(shape);
  return Object.keys(shape).map((name) => (optional.has(name) ? `${name}?` : name));
}

it('the page lists every kind of run event in the order of a life, with its fields', () => {
  const table = Object.entries(runEvents).map(([kind, { shape }]) => [
    kind,
    fieldsOf(shape).filter((name) => name !== 'kind'),
  ]);
  const listed = rows('### Events').map(([kind, fields]) => [
    kind,
    fields?.split(/[`, ]+/).filter((name) => name !== ''),
  ]);
  expect(listed).toEqual(table);
});

it('the page lists every field of a run record, and every state', () => {
  expect(rows('### The record').map(([name]) => name)).toEqual(fieldsOf(runRecord.shape));
  for (const state of runStates) expect(section('### States')).toContain(`\`${state}\``);
});

it('the page names every field of a session record', () => {
  for (const name of fieldsOf(sessionRecord.shape)) expect(section('## Sessions')).toContain(`\`${name}\``);
});

it('the page tells what each version changed', () => {
  const versions = rows('## Versions').map(([version]) => Number(version));
  expect(versions).toEqual(Array.from({ length: protocolVersion }, (_, i) => i + 1));
});
