import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Registry } from 'prom-client';
import { metricTable } from './metric-table.ts';
import { countAtScrape, gaugeAtScrape } from './scrape.ts';

const sampleMs = 20;

/**
 * Chosen one by one: prom-client's own set has gauges that end in `_total`, which promtool's lint refuses. Gives back
 * the way to stop.
 */
export function addProcessMetrics(registry: Registry): () => void {
  countAtScrape(registry, metricTable.cpu, () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  gaugeAtScrape(registry, metricTable.residentMemory, () => process.memoryUsage.rss());
  gaugeAtScrape(registry, metricTable.heapUsed, () => process.memoryUsage().heapUsed);
  gaugeAtScrape(registry, metricTable.externalMemory, () => process.memoryUsage().external);
  if (process.platform === 'linux') {
    gaugeAtScrape(registry, metricTable.openFiles, () => readdirSync('/proc/self/fd').length);
  }
  const startedAt = Date.now() / 1000 - process.uptime();
  gaugeAtScrape(registry, metricTable.startTime, () => startedAt);

  const delay = monitorEventLoopDelay({ resolution: sampleMs });
  delay.enable();
  gaugeAtScrape(registry, metricTable.eventLoopDelay, () => {
    // What is recorded is the whole time between two samples, not how late the second one was.
    const late = Math.max(0, delay.percentile(99) / 1e9 - sampleMs / 1e3);
    delay.reset();
    return late;
  });
  return () => delay.disable();
}
