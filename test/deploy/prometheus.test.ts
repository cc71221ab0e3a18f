import { expect, it } from 'vitest';
import { lacks, run, yamlOf } from '../support/deploy-files.ts';

const path = 'deploy/prometheus/prometheus.yml';
const withoutPromtool = lacks('promtool', '--version');

interface Job {
  job_name: string;
  dns_sd_configs?: { names: string[]; port: number }[];
  static_configs?: { targets: string[] }[];
}

it.skipIf(withoutPromtool)(`Prometheus takes its configuration${withoutPromtool}`, () => {
  expect(run('promtool', 'check', 'config', path)).toMatchObject({ ok: true });
});

it('Prometheus finds every gateway and worker of the compose file, however many there are', () => {
  const { services } = yamlOf<{ services: Record<string, object> }>('docker-compose.yml');
  const { scrape_configs: jobs } = yamlOf<{ scrape_configs: Job[] }>(path);
  const found = jobs.flatMap(({ job_name: job, dns_sd_configs: names = [] }) =>
    names.map((name) => ({ job, ...name })),
  );
  expect(found).toMatchObject([
    { job: 'gateway', names: ['gateway'], port: 8080 },
    { job: 'worker', names: ['worker'], port: 8080 },
  ]);
  for (const { job } of found) expect(services).toHaveProperty(job);
});
