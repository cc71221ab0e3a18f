import { expect, it, onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import { AgentwireClient } from '../../shared/client/index.ts';
import { browser, openPage } from '../browser/page.ts';
import { startRunCluster } from '../support/run-cluster.ts';
import type { RunCluster } from '../support/run-cluster.ts';
import { faultsOf, historyOf, recordOf } from '../support/run-history.ts';

/** What an application knows of its run so far. */
interface Told {
  readonly events: { readonly kind: string; readonly seq: number; readonly text?: string }[];
  readonly faults: string[];
  invocation: string;
  /** How it ended, once it did. */
  end: string;
  reconnects: number;
  goaways: number;
}

interface Application {
  told(): Promise<Told>;
}

type Format = 'json' | 'msgpack';

/** Counts until it is cancelled, so that chunks flow for as long as the test needs them. */
const input = { from: 100_000, intervalMs: 10 };

async function inNode(port: number, format: Format): Promise<Application> {
  const told: Told = { events: [], faults: [], invocation: '', end: '', reconnects: 0, goaways: 0 };
  const client = new AgentwireClient({ url: `ws://127.0.0.1:${port}`, WebSocket, format });
  onTestFinished(() => client.close());
  for (const name of ['gap', 'dropped', 'error'] as const) client.on(name, () => void told.faults.push(name));
  client.on('connected', ({ again }) => void (told.reconnects += Number(again)));
  client.on('goaway', () => void (told.goaways += 1));
  await client.connect();
  const run = client.run('countdown', input);
  told.invocation = await run.invocation;
  const follow = async (): Promise<void> => {
    for await (const event of run) {
      if (event.kind === 'gap') told.faults.push('gap');
      else told.events.push(event);
    }
    await run.result();
  };
  follow().catch((error: { code: string }) => (told.end = error.code));
  return { told: () => Promise.resolve(told) };
}

/** The same as text, because the page knows nothing of this file's types. */
async function inChromium(port: number, format: Format): Promise<Application> {
  const page = await openPage(browser!);
  await page.evaluate(`(async () => {
    const told = (window.told = { events: [], faults: [], invocation: '', end: '', reconnects: 0, goaways: 0 });
    const client = new agentwire.AgentwireClient({ url: 'ws://127.0.0.1:${port}', format: '${format}' });
    for (const name of ['gap', 'dropped', 'error']) client.on(name, () => told.faults.push(name));
    client.on('connected', ({ again }) => (told.reconnects += again ? 1 : 0));
    client.on('goaway', () => (told.goaways += 1));
    await client.connect();
    const run = client.run('countdown', ${JSON.stringify(input)});
    told.invocation = await run.invocation;
    const follow = async () => {
      for await (const event of run) {
        if (event.kind === 'gap') told.faults.push('gap');
        else told.events.push(event);
      }
      await run.result();
    };
    follow().catch((error) => (told.end = error.code ?? String(error)));
  })()`);
  return { told: () => page.evaluate<Told>('told') };
}

const places = [
  { where: 'Node', open: inNode, there: true },
  { where: 'Chromium', open: inChromium, there: browser !== undefined },
];
const cases = places.flatMap((place) => (['json', 'msgpack'] as const).map((format) => ({ ...place, format })));

it.each(cases.filter(({ there }) => there))(
  'an application in $where sees every event of its run once, in $format, whatever becomes of its connection',
  async ({ open, format }) => {
    const cluster = await startRunCluster({ workers: 1 });
    const { http, balancer } = cluster;
    const application = await open(balancer.port, format);
    const until = (is: (told: Told) => boolean): Promise<unknown> =>
      vi.waitUntil(async () => is(await application.told()), { timeout: 60_000, interval: 20 });
    /** Until chunks flow over another connection. */
    const through = async (disturb: () => unknown): Promise<void> => {
      const { reconnects } = await application.told();
      await disturb();
      await until((told) => told.reconnects > reconnects);
      const { length } = (await application.told()).events;
      await until(({ events }) => events.length > length + 20);
    };

    await until(({ events }) => events.length > 20);
    for (let cuts = 0; cuts < 4; cuts += 1) await through(() => balancer.cut(1));
    const { goaways } = await application.told();
    await through(async () => cluster.replaceGateway(await gatewayOf(cluster), 'stop'));
    expect((await application.told()).goaways).toBe(goaways + 1);
    await through(async () => cluster.replaceGateway(await gatewayOf(cluster), 'kill'));

    const { invocation } = await application.told();
    await http('POST', `/v1/runs/${invocation}/cancel`);
    await until(({ end }) => end !== '');
    const told = await application.told();
    const log = await historyOf(http, invocation);
    expect(faultsOf(log, await recordOf(http, invocation))).toEqual([]);
    expect([told.end, told.faults]).toEqual(['cancelled', []]);
    expect(told.events.map(({ seq, kind, text }) => [seq, kind, text])).toEqual(
      log.map(({ seq, data }) => [seq, data.kind, data.kind === 'chunk' ? data.text : undefined]),
    );
  },
  120_000,
);

/** The one to which the application is connected. */
async function gatewayOf({ gateways }: RunCluster): Promise<number> {
  return vi.waitFor(async () => {
    const pages = await Promise.all(gateways.map(({ http }) => http('GET', '/metrics')));
    const connected = pages.map(({ text }) => /^agentwire_connections 1$/m.test(text));
    expect(connected.filter(Boolean)).toHaveLength(1);
    return connected.indexOf(true);
  });
}
