/** The figures of one metric, second by second; the second is counted from the begin of the test. */
export type Series = ReadonlyMap<number, Readonly<Record<string, number>>>;

interface Entry {
  readonly event: string;
  readonly data: unknown;
}

type Kind = 'counter' | 'gauge' | 'rate' | 'trend';

/**
 * Reads what k6 recorded. Each snapshot has a row of figures for every metric that is known by then, in the order of
 * their names; which figures a row has depends on the kind of its metric.
 */
export function readSeries(recorded: string): ReadonlyMap<string, Series> {
  const kinds = new Map<string, Kind>();
  const series = new Map<string, Map<number, Record<string, number>>>();
  let names: readonly string[] = [];
  let aggregates: Readonly<Record<Kind, readonly string[]>> = { counter: [], gauge: [], rate: [], trend: [] };
  let begun = 0;
  for (const line of recorded.split('\n').filter((text) => text !== '')) {
    const { event, data } = JSON.parse(line) as Entry;
    if (event === 'param') ({ aggregates } = data as { aggregates: typeof aggregates });
    if (event === 'start') [[begun = 0] = []] = data as number[][];
    if (event === 'metric') {
      for (const [name, { type }] of Object.entries(data as Record<string, { type: Kind }>)) kinds.set(name, type);
      names = [...kinds.keys()].toSorted();
    }
    if (event !== 'snapshot') continue;
    const rows = data as number[][];
    const at = Math.round(((rows[names.indexOf('time')]?.[0] ?? begun) - begun) / 1000);
    for (const [index, name] of names.entries()) {
      const row = rows[index] ?? [];
      if (row.length === 0) continue;
      const figures = aggregates[kinds.get(name)!];
      let own = series.get(name);
      if (own === undefined) series.set(name, (own = new Map()));
      own.set(at, Object.fromEntries(figures.map((figure, column) => [figure, row[column] ?? 0])));
    }
  }
  return series;
}
