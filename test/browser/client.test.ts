import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { AgentwireClient } from '../../shared/client/index.ts';
import { startBalancer } from '../support/balancer.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import { startRedis } from '../support/redis-server.ts';
import { browser, openPage } from './page.ts';

type Seen = [topic: string, seq: number, data: unknown][];

/** What runs in the page: text, because the page knows nothing of this file's types. */
const inPage = (port: number, format: string): string => `(async () => {
  const client = new agentwire.AgentwireClient({ url: 'ws://127.0.0.1:${port}', format: '${format}' });
  window.told = { seen: [], mine: [], faults: [], reconnects: -1 };
  const { told } = window;
  for (const name of ['gap', 'dropped', 'error']) client.on(name, (event) => told.faults.push(name + ' ' + JSON.stringify(event) + event));
  client.on('connected', () => (told.reconnects += 1));
  await client.connect();
  const note = ({ topic, seq, data }) => void told.seen.push([topic, seq, data]);
  await client.subscribe('page.#', note);
  await client.subscribe('*.a', () => {});
  window.client = client;
})()`;

test.skipIf(!browser).each(['json', 'msgpack'])(
  'a page in Chromium sees every event once and in order through cuts and a killed gateway, in %s',
  async (format) => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const env = { REDIS_URL: redis.url, AGENTWIRE_HISTORY_SIZE: '10000' };
    const [first, second] = [await startGatewayProcess(env), await startGatewayProcess(env)];
    const balancer = await startBalancer([first.port, second.port]);
    const page = await openPage(browser!);
    await page.evaluate(inPage(balancer.port, format));

    const other = new AgentwireClient({ url: `ws://127.0.0.1:${first.port}`, WebSocket });
    onTestFinished(() => other.close());
    await other.connect();
    const fromPage = page.evaluate(
      `(async () => { for (let i = 0; i < 150; i += 1) { await client.publish('page.b', 'page ' + i); told.mine.push(i); } })()`,
    );
    let published = 0;
    for (; published < 300; published += 1) {
      await other.publish(published % 2 === 0 ? 'page.a' : 'page.b', published);
      if (published % 10 === 0) balancer.cut(1);
      if (published === 150) {
        balancer.targets.pop();
        await second.kill();
      }
      await sleep(5);
    }
    await fromPage;

    const truth: Seen = [];
    for (const topic of ['page.a', 'page.b']) {
      const { events } = await other.history(topic, { limit: 1000 });
      truth.push(...events.map(({ seq, data }): Seen[number] => [topic, seq, data]));
    }
    expect(truth).toHaveLength(450);
    await page.waitForFunction('told.seen.length >= 450');
    const told = await page.evaluate<{ seen: Seen; faults: string[]; reconnects: number }>('told');
    expect(told.faults).toEqual([]);
    expect(told.reconnects).toBeGreaterThan(3);
    for (const topic of ['page.a', 'page.b']) {
      const of = (events: Seen): Seen => events.filter(([name]) => name === topic);
      expect(of(told.seen)).toEqual(of(truth));
    }
    const mine = truth.filter(([, , data]) => String(data).startsWith('page '));
    expect(mine.map(([, , data]) => data)).toEqual(mine.map((_, i) => `page ${i}`));
  },
  120_000,
);
