import type { Figure, Sample, Scenario } from './scenarios/scenario.ts';

/** One line of the table: the samples of all rounds, ours and the control's. */
export interface Line {
  readonly figure: Figure;
  readonly agentwire: readonly Sample[];
  readonly bare: readonly Sample[];
}

export interface ScenarioResult {
  readonly scenario: Pick<Scenario, 'name' | 'about'>;
  readonly lines: readonly Line[];
}

/** Undefined where one of the rounds has no figure. */
export function medianOf(samples: readonly Sample[]): number | undefined {
  const numbers = samples.filter((sample) => typeof sample === 'number').sort((a, b) => a - b);
  return numbers.length === samples.length ? numbers[numbers.length >> 1] : undefined;
}

export function tableOf({ scenario, lines }: ScenarioResult): string {
  const rows = [
    ['', '', 'agentwire', 'bare', 'ratio', 'to reach', ''],
    ...lines.map(({ figure, agentwire, bare }) => [
      figure.what,
      figure.unit,
      shown(agentwire, figure.digits),
      shown(bare, figure.digits),
      ratioOf({ figure, agentwire, bare })?.toFixed(2) ?? '',
      wishOf(figure),
      verdictOf({ figure, agentwire, bare }),
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const text = rows.map((row) =>
    row
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
  return [`${scenario.name}: ${scenario.about}`, ...text.map((row) => `  ${row}`), ''].join('\n');
}

/** For machines: every sample, with what the table makes of them. */
export function jsonOf(results: readonly ScenarioResult[]): unknown {
  return results.map(({ scenario, lines }) => ({
    scenario: scenario.name,
    about: scenario.about,
    figures: lines.map((line) => ({
      ...line.figure,
      agentwire: { median: medianOf(line.agentwire), rounds: line.agentwire },
      bare: { median: medianOf(line.bare), rounds: line.bare },
      ratio: ratioOf(line),
      reached: reached(line),
    })),
  }));
}

/** Median and spread; or what went wrong, instead of any figure. */
function shown(samples: readonly Sample[], digits: number): string {
  if (samples.length === 0) return '';
  const fault = samples.find((sample) => typeof sample === 'string');
  if (fault !== undefined) return `no figure: ${fault}`;
  const numbers = samples as readonly number[];
  const [median, low, high] = [medianOf(samples) ?? 0, Math.min(...numbers), Math.max(...numbers)];
  return `${median.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}

function ratioOf({ agentwire, bare }: Line): number | undefined {
  const ours = medianOf(agentwire);
  const theirs = medianOf(bare);
  return ours === undefined || theirs === undefined || theirs === 0 ? undefined : ours / theirs;
}

function wishOf({ target, unit }: Figure): string {
  if (!target) return '';
  const { of, most, least } = target;
  return `${of === 'ratio' ? 'ratio ' : ''}${most === undefined ? `≥ ${least}` : `≤ ${most}`}${of === 'ratio' ? '' : ` ${unit}`}`;
}

function reached(line: Line): boolean | undefined {
  const { target } = line.figure;
  const value = target?.of === 'ratio' ? ratioOf(line) : medianOf(line.agentwire);
  if (!target || value === undefined) return undefined;
  return value <= (target.most ?? Number.POSITIVE_INFINITY) && value >= (target.least ?? Number.NEGATIVE_INFINITY);
}

function verdictOf(line: Line): string {
  const met = reached(line);
  return met === undefined ? '' : met ? 'reached' : 'missed';
}
