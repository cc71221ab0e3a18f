import { expect, onTestFinished, test } from 'vitest';
import { WorkerHttp } from '../../../services/worker/http.ts';
import { createLogger } from '../../../shared/observe/log.ts';
import { MetricsPage } from '../../../shared/observe/metrics-page.ts';
import { httpOf } from '../../support/in-process.ts';

async function serve(status: () => string, port = 0): Promise<WorkerHttp> {
  const metrics = new MetricsPage('0.0.0-test', { ready: () => true, refused: () => 0 });
  const log = createLogger('silent', {});
  const http = new WorkerHttp({ host: '127.0.0.1', port, worker: 'w1', status, metrics, log });
  onTestFinished(() => http.stop());
  await http.start();
  return http;
}

test('answers for health and metrics as a gateway does, and for nothing else', async () => {
  let status = 'ready';
  const { port } = await serve(() => status);
  const http = httpOf(`http://127.0.0.1:${port}`);
  const alive = await http('GET', '/healthz?x=1');
  expect([alive.status, alive.json()]).toEqual([200, { status: 'alive', worker: 'w1' }]);
  const ready = await http('GET', '/readyz');
  expect([ready.status, ready.json()]).toEqual([200, { status: 'ready', worker: 'w1' }]);
  status = 'draining';
  const draining = await http('GET', '/readyz');
  expect([draining.status, draining.json()]).toEqual([503, { status: 'draining', worker: 'w1' }]);
  const metrics = await http('GET', '/metrics');
  expect(metrics.headers.get('content-type')).toMatch(/^text\/plain/);
  expect(metrics.text).toMatch(/^agentwire_engine_ready 1$/m);
  expect((await http('HEAD', '/healthz')).status).toBe(200);
  for (const [method, path] of [
    ['GET', '/'],
    ['POST', '/healthz'],
  ] as const) {
    const answer = await http(method, path);
    expect([answer.status, answer.json()]).toEqual([404, { error: { code: 'not_found', message: 'no such route' } }]);
  }
});

test('says why it cannot listen', async () => {
  const { port } = await serve(() => 'ready');
  await expect(serve(() => 'ready', port)).rejects.toThrow(`cannot listen on 127.0.0.1:${port}`);
});
