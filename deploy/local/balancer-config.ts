import { readFileSync } from 'node:fs';

const shared = new URL('../haproxy/haproxy.cfg', import.meta.url);

export interface BalancerPorts {
  readonly clients: number;
  readonly stats: number;
  readonly gateways: readonly number[];
}

/** The balancer's configuration of docker compose, with other places for the same things. */
export function balancerConfig(ports: BalancerPorts): string {
  const servers = ports.gateways.map((port, i) => `  server gateway-${i + 1} 127.0.0.1:${port}`);
  const places: Record<string, (lines: string) => string> = {
    bind: () => `  bind 127.0.0.1:${ports.clients}\n`,
    stats: (lines) => lines.replace(/bind \S+/, `bind 127.0.0.1:${ports.stats}`),
    resolvers: () => '',
    servers: () => servers.map((line) => `${line}\n`).join(''),
  };
  let config = readFileSync(shared, 'utf8');
  for (const [name, replaced] of Object.entries(places)) {
    const section = new RegExp(`(?<=^# ${name}: begin\\n)[^]*?(?=^# ${name}: end$)`, 'm');
    if (!section.test(config)) throw new Error(`${shared.pathname} has no section ${name}`);
    config = config.replace(section, replaced);
  }
  return config;
}
