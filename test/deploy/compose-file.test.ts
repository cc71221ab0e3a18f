import { describe, expect, it } from 'vitest';
import { fallbackText } from '../../shared/config/help.ts';
import { optionList } from '../../shared/config/options.ts';
import { npmScript, textOf, yamlOf } from '../support/deploy-files.ts';

interface Service {
  command?: string[];
  image: string;
  depends_on?: Record<string, object>;
  env_file?: object[];
  environment?: Record<string, string | number>;
  logging?: { options: Record<string, string> };
  ports?: string[];
  deploy?: { replicas: string };
  stop_grace_period?: string;
  healthcheck?: object;
}

const file = yamlOf<{ services: Record<string, Service> }>('docker-compose.yml');
const { services } = file;
/** What the file itself decides. */
const fixed = ['PORT', 'HOST', 'REDIS_URL'];
const settable = optionList.filter(({ env }) => !fixed.includes(env));
/** Of the file, and of no service. */
const own: Record<string, string> = {
  PORT: 'Where the balancer is published, on this machine only.',
  PROMETHEUS_PORT: 'Likewise Prometheus.',
  GATEWAYS: 'How many gateways there are.',
  WORKERS: 'How many workers there are.',
  STOP_GRACE: 'How long a container may take to stop: 15 s more than AGENTWIRE_DRAIN_MS, or longer.',
};

/** Those of OpenTelemetry that are its own business, and passed on. */
const tracing: Record<string, string> = {
  OTEL_EXPORTER_OTLP_ENDPOINT: 'Where traces are sent, over OTLP, as http://collector:4318. Unset: nothing is traced.',
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'The same, as the whole address.',
  OTEL_TRACES_EXPORTER: 'otlp or console; none turns tracing off.',
  OTEL_SDK_DISABLED: 'true turns tracing off whatever else is set.',
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf, http/json or grpc. Unset: http/protobuf.',
  OTEL_EXPORTER_OTLP_HEADERS: 'Headers for the collector, such as its key.',
  OTEL_TRACES_SAMPLER: 'Which traces are kept: OpenTelemetry has the names.',
  OTEL_TRACES_SAMPLER_ARG: 'The share, where the sampler takes one.',
  OTEL_SERVICE_NAME: 'What gateways and workers are called in traces. Unset: agentwire-gateway and agentwire-worker.',
  OTEL_RESOURCE_ATTRIBUTES: 'What every span has besides, as key=value,key=value.',
  OTEL_BSP_MAX_QUEUE_SIZE: 'How many spans wait for the collector. Unset: 2048.',
  OTEL_BSP_SCHEDULE_DELAY: 'How long they wait, in milliseconds. Unset: 5000.',
};

/** The value of `${NAME:-value}`. */
function fallbackOf(name: string, text = textOf('docker-compose.yml')): string | undefined {
  return new RegExp(`\\$\\{${name}:-([^}]*)\\}`).exec(text)?.[1];
}

/** Empty where the table has none: an empty variable counts as unset. */
function fallbackOfOption(env: string): string {
  const option = settable.find((one) => one.env === env);
  return option && !option.derived && fallbackText(option) !== 'unset' ? fallbackText(option) : '';
}

describe('docker-compose.yml', () => {
  it('has the services of a cluster, each with a health check', () => {
    expect(Object.keys(services)).toEqual(['redis', 'gateway', 'worker', 'haproxy', 'prometheus']);
    expect(Object.values(services).filter(({ healthcheck }) => !healthcheck)).toEqual([]);
    expect([services['gateway'], services['worker']].map((service) => service?.deploy?.replicas)).toEqual([
      '${GATEWAYS:-3}',
      '${WORKERS:-2}',
    ]);
  });

  it('publishes ports on this machine only, and of nothing but the balancer and Prometheus', () => {
    const published = Object.entries(services).flatMap(([name, { ports = [] }]) => ports.map((port) => [name, port]));
    expect(published).toEqual([
      ['haproxy', '127.0.0.1:${PORT:-8080}:8080'],
      ['prometheus', '127.0.0.1:${PROMETHEUS_PORT:-9090}:9090'],
    ]);
  });

  it('never evicts what is in Redis, and writes it to disk', () => {
    expect(services['redis']?.command?.join(' ')).toMatch(/--appendonly yes .*--maxmemory-policy noeviction/);
  });

  it('starts what the npm scripts start, without npm between', () => {
    for (const name of ['gateway', 'worker']) expect(services[name]?.command).toEqual(npmScript(name));
  });

  it('has a default for each of its variables', () => {
    expect(textOf('docker-compose.yml').match(/(?<!\$)\$(?!\$|\{[A-Z_]+:-)/g)).toBeNull();
  });

  it('stops workers before gateways, gateways before the balancer, and Redis last', () => {
    const needed = Object.entries(services).map(([name, { depends_on: others = {} }]) => [name, Object.keys(others)]);
    expect(Object.fromEntries(needed)).toEqual({
      worker: ['redis', 'gateway'],
      gateway: ['redis', 'haproxy'],
      haproxy: [],
      redis: [],
      prometheus: [],
    });
  });

  it('keeps no log for ever', () => {
    for (const { logging } of Object.values(services)) expect(logging?.options).toHaveProperty('max-size');
  });

  // A misspelt name must stop the start, so all of `.env` goes in; but not what it says of the outside.
  it('shows its services the whole of `.env`, without the port of the balancer', () => {
    for (const name of ['gateway', 'worker']) {
      expect(services[name]?.env_file).toEqual([{ path: '.env', required: false }]);
      expect(services[name]?.environment).toMatchObject({
        HOST: '0.0.0.0',
        PORT: 8080,
        REDIS_URL: 'redis://redis:6379',
      });
    }
  });

  it('passes on what there is to say about tracing', () => {
    const rows = textOf('docs/tracing.md').match(/^\| `OTEL_[^|]*/gm) ?? [];
    expect(rows.flatMap((row) => row.match(/OTEL_\w+/g))).toEqual(Object.keys(tracing));
  });

  it('passes every option on, with the default of the table', () => {
    const names = [...settable.map(({ env }) => env), ...Object.keys(tracing)];
    const wanted = names.map((env) => [env, `\${${env}:-${fallbackOfOption(env)}}`]);
    for (const name of ['gateway', 'worker']) {
      const { environment = {} } = services[name] ?? {};
      const given = Object.entries(environment).filter(([env]) => !fixed.includes(env));
      expect(Object.fromEntries(given)).toEqual(Object.fromEntries(wanted));
    }
  });

  it('leaves containers more time to stop than their drain takes', () => {
    const graceMs = Number(fallbackOf('STOP_GRACE')?.replace(/s$/, '')) * 1000;
    // A gateway of several processes waits so much longer for them before it ends them.
    expect(graceMs).toBeGreaterThan(Number(fallbackOf('AGENTWIRE_DRAIN_MS')) + 15_000);
  });
});

describe('.env.example', () => {
  // After a change: `npx vitest run --config test/vitest.config.ts test/deploy/compose-file.test.ts -u` writes it again.
  it('has every variable of the file, with its default', async () => {
    const options = settable.map(({ env, help }): [string, string] => [env, help]);
    const helps = [...Object.entries(own), ...options, ...Object.entries(tracing)];
    const lines = helps.flatMap(([name, help]) => [`# ${help}`, `#${name}=${fallbackOf(name) ?? '?'}`, '']);
    const head = [
      '# Settings of `make cluster`: copy this file to `.env`, and take the # away from what you change.',
      '# Written from the table in shared/config/options.ts; what is here is the default.',
      '',
    ];
    await expect([...head, ...lines].join('\n')).toMatchFileSnapshot('../../.env.example');
    const named = [...textOf('docker-compose.yml').matchAll(/\$\{([A-Z_]+):-/g)].map((match) => match[1] ?? '');
    expect(new Set(named)).toEqual(new Set(helps.map(([name]) => name)));
  });
});
