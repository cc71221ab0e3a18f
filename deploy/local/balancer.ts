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

/** How many gateways have passed a check of the balancer; before the first one it takes each of them to be up. */
export async function gatewaysUp(statsUrl: string): Promise<number> {
  const page = await fetch(`${statsUrl}/;csv`, { signal: AbortSignal.timeout(1000) });
  const [head = '', ...rows] = (await page.text()).split('\n').map((line) => line.split(','));
  if (head === '') return 0;
  const column = (row: string[], name: string): string | undefined => row[head.indexOf(name)];
  return rows.filter((row) => column(row, 'check_status') === 'L7OK' && column(row, 'status') === 'UP').length;
}
