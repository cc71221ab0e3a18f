import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { balancerConfig } from '../../deploy/local/balancer-config.ts';
import { freePorts } from '../../deploy/local/ports.ts';
import { startBalancer } from './balancer.ts';
import { environment, lacks } from './deploy-files.ts';

const installed = lacks('haproxy', '-v') === '';

/** The name of what `openFrontDoor` opens here. */
export const frontDoorName = installed ? "the project's HAProxy" : 'a balancer that takes turns';

/**
 * Where clients come in: the HAProxy that the project ships, which asks gateways whether they are ready; where that is
 * not installed, a balancer that knows nothing, so that clients have to try again. Gone at the end of the test.
 */
export async function openFrontDoor(gateways: readonly number[]): Promise<number> {
  if (!installed) return (await startBalancer([...gateways])).port;
  const [clients = 0, stats = 0] = await freePorts(2);
  startHaproxy({ clients, stats, gateways });
  await vi.waitFor(
    async () => {
      const text = await (await fetch(`http://127.0.0.1:${stats}/metrics`)).text();
      const active = /^haproxy_backend_active_servers\{proxy="gateways"\} (\d+)/m.exec(text)?.[1];
      if (Number(active) !== gateways.length) throw new Error(`${active} gateways are in use`);
    },
    { timeout: 20_000, interval: 20 },
  );
  return clients;
}

/** The program with the configuration of this project. Gone at the end of the test. */
export function startHaproxy(ports: Parameters<typeof balancerConfig>[0]): void {
  const folder = mkdtempSync(join(tmpdir(), 'agentwire-haproxy-'));
  const path = join(folder, 'haproxy.cfg');
  writeFileSync(path, balancerConfig(ports));
  const haproxy = spawn('haproxy', ['-db', '-f', path], { env: environment, stdio: 'ignore' });
  onTestFinished(async () => {
    const gone = once(haproxy, 'exit');
    haproxy.kill('SIGKILL');
    await gone;
    rmSync(folder, { recursive: true });
  });
}
