import type { Load } from './plan.ts';
import { formats } from './wire.ts';

export type Values = Readonly<Record<string, number>>;

/** As k6 gives it. A figure by tag is there where it has a threshold. */
export interface SummaryData {
  readonly metrics: Readonly<
    Record<
      string,
      { readonly values: Values; readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>> }
    >
  >;
}

export interface Summary {
  readonly profile: string;
  readonly passed: boolean;
  /** The thresholds that were crossed, with what they were held against. */
  readonly crossed: readonly string[];
  readonly loads: readonly LoadSummary[];
}

export interface LoadSummary {
  readonly load: Load;
  /** By name; all of them must be 0. */
  readonly faults: Values;
  readonly formats: readonly FormatSummary[];
}

export interface FormatSummary {
  readonly format: string;
  readonly counts: Values;
  /** By name; median, 95 and 99 of 100, and the longest. */
  readonly times: Readonly<Record<string, Values>>;
}

const faultNames = [
  'lost',
  'repeated',
  'out_of_order',
  'resume_gap',
  'dropped_iterations',
  'unfinished',
  'failed',
  'owed',
];
const countNames = ['published', 'delivered', 'runs'];
const timeNames = ['delivery_ms', 'answer_ms', 'resume_ms', 'first_chunk_ms'];

export function summaryOf(profile: string, chosen: readonly Load[], { metrics }: SummaryData): Summary {
  const crossed = Object.entries(metrics).flatMap(([name, { values, thresholds = {} }]) =>
    Object.entries(thresholds)
      .filter(([, { ok }]) => !ok)
      .map(([threshold]) => {
        const figure = threshold.split(/[<>=]/)[0]!.trim();
        return `${name}: ${figure} is ${values[figure]}, and has to be ${threshold}`;
      }),
  );
  const pick = (names: readonly string[], tags: string, of: (values: Values) => number): Values => {
    const there = names.filter((name) => metrics[name + tags] !== undefined);
    return Object.fromEntries(there.map((name) => [name, of(metrics[name + tags]!.values)]));
  };
  const count = (values: Values): number => values['count'] ?? 0;
  const loads = chosen.map((load) => ({
    load,
    faults: pick(faultNames, `{load:${load}}`, count),
    formats: formats.map((format) => {
      const tags = `{load:${load},format:${format}}`;
      const timed = timeNames.filter((name) => metrics[name + tags] !== undefined);
      const times = Object.fromEntries(timed.map((name) => [name, metrics[name + tags]!.values]));
      return { format, counts: pick(countNames, tags, count), times };
    }),
  }));
  return { profile, passed: crossed.length === 0, crossed, loads };
}

const headings = ['scenario', 'format', 'published', 'delivered', 'runs', 'figure', 'p50', 'p95', 'p99', 'max'];

export function textOf({ profile, passed, crossed, loads }: Summary): string {
  const rows = loads.flatMap(({ load, formats: ofLoad }) =>
    ofLoad.flatMap(({ format, counts, times }) =>
      Object.entries(times).map(([name, values], index) => [
        index === 0 ? load : '',
        index === 0 ? format : '',
        ...countNames.map((count) => (index === 0 && counts[count] !== undefined ? String(counts[count]) : '')),
        name.replace('_ms', '').replace('_', ' '),
        ...['med', 'p(95)', 'p(99)', 'max'].map((value) => `${(values[value] ?? 0).toFixed(0)} ms`),
      ]),
    ),
  );
  const faults = loads.map(({ load, faults: values }) => [
    load,
    ...faultNames.map((name) => String(values[name] ?? '-')),
  ]);
  const verdict = passed ? 'passed' : `FAILED\n${crossed.map((line) => `  ${line}`).join('\n')}`;
  return [
    aligned([headings, ...rows]),
    aligned([['scenario', ...faultNames.map((name) => name.replaceAll('_', ' '))], ...faults]),
    `${profile}: ${verdict}\n`,
  ].join('\n');
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ');
  return `${rows.map((row) => line(row).trimEnd()).join('\n')}\n`;
}
