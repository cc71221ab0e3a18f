import { expect, onTestFinished, test } from 'vitest';
import { startBalancer } from '../support/balancer.ts';
import { startGatewayProcess, startWorkerProcess } from '../support/gateway-process.ts';
import { startRedis } from '../support/redis-server.ts';
import { browser, openPage } from './page.ts';

interface Told {
  kinds: string[];
  seqs: number[];
  chunks: number;
  result: string;
  text: string;
  faults: string[];
  reconnects: number;
}

/** What runs in the page: text, because the page knows nothing of this file's types. */
const inPage = (port: number, format: string, input: object): string => `(async () => {
  const client = new agentwire.AgentwireClient({ url: 'ws://127.0.0.1:${port}', format: '${format}' });
  window.told = { kinds: [], seqs: [], chunks: 0, faults: [], reconnects: -1 };
  const { told } = window;
  for (const name of ['gap', 'dropped', 'error']) client.on(name, (event) => told.faults.push(name + ' ' + JSON.stringify(event) + event));
  client.on('connected', () => (told.reconnects += 1));
  await client.connect();
  const run = client.run('echo', ${JSON.stringify(input)});
  void (async () => {
    for await (const { kind, seq } of run) {
      told.seqs.push(seq);
      if (kind === 'chunk') told.chunks += 1;
      else told.kinds.push(kind);
    }
    told.result = await run.result();
    told.text = await run.text();
  })().catch((error) => told.faults.push(String(error)));
})()`;

test.skipIf(!browser).each(['json', 'msgpack'])(
  'a page in Chromium starts an agent and is told all of it once, through cuts and a killed gateway, in %s',
  async (format) => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const env = { REDIS_URL: redis.url };
    const [first, second] = [await startGatewayProcess(env), await startGatewayProcess(env)];
    await startWorkerProcess(env);
    const balancer = await startBalancer([second.port, first.port]);
    const page = await openPage(browser!);
    const words = Array.from({ length: 300 }, (_, i) => `w${i}`).join(' ');
    const chunks = (count: number): Promise<unknown> => page.waitForFunction(`told.chunks >= ${count}`);

    await page.evaluate(inPage(balancer.port, format, { text: words, delayMs: 10 }));
    await chunks(10);
    balancer.targets.shift();
    await second.kill();
    for (const count of [50, 100, 150]) {
      await chunks(count);
      balancer.cut(1);
    }
    await page.waitForFunction('told.text !== undefined || told.faults.length > 0');

    const { kinds, seqs, result, text, faults, reconnects } = await page.evaluate<Told>('told');
    expect(faults).toEqual([]);
    expect(kinds).toEqual(['queued', 'started', 'completed']);
    expect(seqs).toEqual(seqs.map((_, i) => i + 1));
    expect([result, text]).toEqual([words, words]);
    expect(reconnects).toBeGreaterThan(2);
  },
  120_000,
);
