import { textOf } from '../k6/report.ts';
import type { LoadSummary, Summary } from '../k6/report.ts';
import { svgOf } from './plot.ts';
import type { Line } from './plot.ts';
import type { Series } from './series.ts';

/** One file that needs nothing else: the summary, and what happened second by second. */
export function pageOf(summary: Summary, series: ReadonlyMap<string, Series>): string {
  const { profile, passed, loads } = summary;
  const sections = loads.map((load) => `<h2>${load.load}</h2>${plotsOf(load, series)}`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Load test: ${profile}</title>
<style>
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
  body { max-width: 1280px; margin: 2rem auto; padding: 0 1rem; }
  pre { overflow-x: auto; }
  svg { width: 100%; max-width: 620px; font-size: 12px; }
  text:not([fill]) { fill: currentColor; }
  .title { font-weight: 600; }
  .left { text-anchor: end; }
  .under { text-anchor: middle; }
  .grid { stroke: currentColor; opacity: 0.15; }
</style>
<h1>Load test, profile ${profile}: ${passed ? 'passed' : 'failed'}</h1>
<pre>${escaped(textOf(summary))}</pre>
${sections.join('\n')}
</html>
`;
}

const colours = { calm: '#2f7ed8', warm: '#d9822b', hot: '#c23030', cool: '#2e9e6b' };

function plotsOf({ load }: LoadSummary, series: ReadonlyMap<string, Series>): string {
  const of = (metric: string): Series => series.get(`${metric}{load:${load}}`) ?? new Map<number, never>();
  const line = (name: string, metric: string, figure: string, colour: string): Line => ({
    name,
    colour,
    points: [...of(metric)].map(([second, figures]) => [second, figures[figure] ?? 0]),
  });
  const rates = [
    line('delivered', 'delivered', 'rate', colours.calm),
    line('published', 'published', 'rate', colours.warm),
    line('runs ended', 'runs', 'rate', colours.cool),
  ];
  const times = (title: string, metric: string): { title: string; unit: string; lines: Line[] } => ({
    title,
    unit: 'ms',
    lines: [
      line('p50', metric, 'med', colours.calm),
      line('p95', metric, 'p(95)', colours.warm),
      line('p99', metric, 'p(99)', colours.hot),
    ],
  });
  const plots = [
    { title: 'Rates', unit: 'a second', lines: rates },
    times('Publish to delivery', 'delivery_ms'),
    times('Publish to answer', 'answer_ms'),
    times('Back after a cut', 'resume_ms'),
    times('Run to first chunk', 'first_chunk_ms'),
  ].map((plot) => ({ ...plot, lines: plot.lines.filter(({ points }) => points.length > 0) }));
  const seconds = plots.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(([second]) => second)));
  const [from, to] = [Math.min(...seconds), Math.max(...seconds)];
  return plots
    .filter(({ lines }) => lines.length > 0)
    .map((plot) => svgOf({ ...plot, from, to }))
    .join('\n');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
