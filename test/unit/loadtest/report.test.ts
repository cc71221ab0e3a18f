import { describe, expect, test } from 'vitest';
import { summaryOf, textOf } from '../../../loadtest/k6/report.ts';
import type { SummaryData } from '../../../loadtest/k6/report.ts';
import { pageOf } from '../../../loadtest/page/page.ts';
import { readSeries } from '../../../loadtest/page/series.ts';

const times = { med: 3, 'p(95)': 12, 'p(99)': 20, max: 31 };

function data(lost: number): SummaryData {
  return {
    metrics: {
      delivered: { values: { count: 900 } },
      'lost{load:fanout}': { values: { count: lost }, thresholds: { 'count==0': { ok: lost === 0 } } },
      'repeated{load:fanout}': { values: { count: 0 }, thresholds: { 'count==0': { ok: true } } },
      'published{load:fanout,format:json}': { values: { count: 10 } },
      'delivered{load:fanout,format:json}': { values: { count: 400 } },
      'delivered{load:fanout,format:msgpack}': { values: { count: 500 } },
      'delivery_ms{load:fanout,format:json}': { values: times },
    },
  };
}

describe('the summary', () => {
  test('gives figures by scenario and format, and has passed where no threshold was crossed', () => {
    expect(summaryOf('ci', ['fanout'], data(0))).toEqual({
      profile: 'ci',
      passed: true,
      crossed: [],
      loads: [
        {
          load: 'fanout',
          faults: { lost: 0, repeated: 0 },
          formats: [
            { format: 'json', counts: { published: 10, delivered: 400 }, times: { delivery_ms: times } },
            { format: 'msgpack', counts: { delivered: 500 }, times: {} },
          ],
        },
      ],
    });
  });

  test('names the threshold that was crossed', () => {
    const summary = summaryOf('ci', ['fanout'], data(7));
    expect(summary.passed).toBe(false);
    expect(summary.crossed).toEqual(['lost{load:fanout}: count is 7, and has to be count==0']);
    expect(textOf(summary)).toContain(summary.crossed[0]);
  });
});

const recorded = [
  {
    event: 'param',
    data: {
      aggregates: { counter: ['count', 'rate'], gauge: ['value'], rate: ['rate'], trend: ['med', 'p(95)', 'p(99)'] },
    },
  },
  { event: 'metric', data: { time: { type: 'gauge' } } },
  { event: 'start', data: [[5000]] },
  { event: 'metric', data: { 'delivered{load:fanout}': { type: 'counter' } } },
  { event: 'snapshot', data: [[40, 40], [6001]] },
  // A metric that comes up later stands between those that were there.
  { event: 'metric', data: { 'delivery_ms{load:fanout}': { type: 'trend' } } },
  { event: 'snapshot', data: [[60, 60], [3, 12, 20], [7002]] },
  { event: 'cumulative', data: [[100, 50], [3, 12, 20], [7002]] },
  { event: 'snapshot', data: [[], [], [8000]] },
];
const series = readSeries(recorded.map((entry) => JSON.stringify(entry)).join('\n'));

test('the record of k6 is read second by second', () => {
  expect([...series.get('delivered{load:fanout}')!]).toEqual([
    [1, { count: 40, rate: 40 }],
    [2, { count: 60, rate: 60 }],
  ]);
  expect([...series.get('delivery_ms{load:fanout}')!]).toEqual([[2, { med: 3, 'p(95)': 12, 'p(99)': 20 }]]);
});

test('the page has the figures and the plots, and asks for nothing from elsewhere', () => {
  const page = pageOf(summaryOf('ci', ['fanout'], data(0)), series);
  expect(page).toContain('profile ci: passed');
  expect(page.match(/<svg/g)).toHaveLength(2);
  expect(page.match(/<polyline/g)).toHaveLength(4);
  expect(page).not.toMatch(/https?:|<script|<link/);
});
