import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { startGatewayProcess, startWorkerProcess } from '../support/gateway-process.ts';
import { startRedis } from '../support/redis-server.ts';
import { hasEnded, whenRun } from '../support/run-history.ts';
import { startRun } from '../support/run-cluster.ts';

/** Resolves when so many have tried the port, in vain. */
async function knocked(port: number, times: number): Promise<void> {
  const door = createServer((socket) => void socket.destroy()).listen(port, '127.0.0.1');
  for (let i = 0; i < times; i += 1) await once(door, 'connection');
  door.close();
  await once(door, 'close');
}

it('a gateway and a worker that are there before Redis wait for it, and serve', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  await redis.kill9();
  const env = { REDIS_URL: redis.url };
  const starting = Promise.all([startGatewayProcess(env), startWorkerProcess(env)]);
  await knocked(redis.port, 3);
  await redis.restart();
  const [gateway, worker] = await starting;
  const { invocation } = await startRun(gateway.http, { agent: 'echo', input: 'hello' });
  expect(await whenRun(gateway.http, invocation, hasEnded)).toMatchObject({ state: 'completed' });
  const said = [gateway, worker].map((each) => each.output().split('"waiting for the store"').length - 1);
  expect(Math.max(...said)).toBe(1);
});

it.each(['gateway', 'worker'])('a %s that waits for Redis ends when it is told to, also unread', async (service) => {
  const main = fileURLToPath(new URL(`../../services/${service}/main.ts`, import.meta.url));
  // Nobody listens on port 1.
  const env = { PORT: '0', NODE_NO_WARNINGS: '1', REDIS_URL: 'redis://127.0.0.1:1' };
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  for await (const text of child.stdout) {
    said += String(text);
    // Closes the pipe: what it says now has no reader.
    if (said.includes('waiting for the store')) break;
  }
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});
