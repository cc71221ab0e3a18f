import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { startGateway } from '../../support/in-process.ts';
import type { InProcess } from '../../support/in-process.ts';
import { SseClient, until } from '../../support/sse.ts';
import { startWorker } from '../../support/worker.ts';

async function start(env: Record<string, string> = {}): Promise<InProcess> {
  const gateway = await startGateway({ AGENTWIRE_DEFAULT_AGENT: 'echo', ...env });
  await startWorker(gateway.engine);
  return gateway;
}

const path = '/api/v1/sessions/s-1/run/sse';
const message = (text: string): object => ({ newMessage: { role: 'user', parts: [{ text }] } });

/** A POST that must be answered by a stream. Cut at the end of the test. */
async function post(port: number, body: object): Promise<SseClient> {
  const asked = request({ host: '127.0.0.1', port, path, method: 'POST' });
  onTestFinished(() => void asked.destroy());
  asked.on('error', () => {});
  asked.end(JSON.stringify(body));
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  expect(response.headers['content-type']).toBe('text/event-stream');
  return new SseClient(response);
}

function running(stream: SseClient): Promise<void> {
  return until(
    () => stream.all.some(({ data }) => (data['data'] as { kind?: string } | undefined)?.kind === 'chunk'),
    () => 'a chunk',
  );
}

test('one run: its messages as lines, and the response ends with it', async () => {
  const { port } = await start();
  const stream = await post(port, message('good morning'));
  await stream.end();
  const invocationId = stream.all[0]!.data['invocationId'];
  const event = (data: object): object => ({ type: 'event', invocationId, data });
  expect(stream.all.map(({ data }) => data)).toEqual([
    { type: 'started', invocationId, sessionId: 's-1' },
    event({ kind: 'queued' }),
    event({ kind: 'started', attempt: 1 }),
    event({ kind: 'chunk', text: 'good ' }),
    event({ kind: 'chunk', text: 'morning' }),
    { type: 'completed', invocationId },
  ]);
});

test('leaving does not cancel the run', async () => {
  const { port, http } = await start();
  const stream = await post(port, { ...message('{"from":1000,"intervalMs":20}'), agent: 'countdown' });
  await running(stream);
  const invocation = String(stream.all[0]!.data['invocationId']);
  stream.cut();
  await until(
    () => stream.ended,
    () => 'the cut',
  );
  const record = (await http('GET', `/v1/runs/${invocation}`)).json<{ invocation: { state: string } }>().invocation;
  expect(record.state).toBe('running');
  await http('POST', `/v1/runs/${invocation}/cancel`);
});

test('a run that is cancelled, and one that fails, end the response as well', async () => {
  const { port, http } = await start();
  const stream = await post(port, { ...message('{"from":1000,"intervalMs":20}'), agent: 'countdown' });
  await running(stream);
  const invocationId = String(stream.all[0]!.data['invocationId']);
  await http('POST', `/v1/runs/${invocationId}/cancel`);
  await stream.end();
  expect(stream.all.at(-1)!.data).toEqual({ type: 'cancelled', invocationId });
  const failing = await post(port, { ...message('{"message":"out of luck"}'), agent: 'fail' });
  await failing.end();
  expect(failing.all.at(-1)!.data).toMatchObject({ type: 'error', message: 'out of luck' });
});

test.each([
  ['no JSON', '{', 400, 'bad_frame'],
  ['no map', [], 400, 'bad_request'],
  ['no message', {}, 400, 'bad_request'],
  ['nothing said', message(' '), 400, 'bad_request'],
  ['an agent that nobody has', { ...message('hi'), agent: 'no-such-agent' }, 404, 'not_found'],
])('what is wrong before there is a run is answered with a status: %s', async (_, body, status, code) => {
  const { http } = await start();
  const answer = await http('POST', path, body);
  expect(answer.status).toBe(status);
  expect(answer.json<{ error: { code: string } }>().error.code).toBe(code);
});

test('who may not use the session is told so', async () => {
  const { http } = await start({ AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'ada-token=ada,bob-token=bob' });
  expect((await http('POST', path, message('hi'))).status).toBe(401);
  const ada = await http('POST', path, message('hi'), { authorization: 'Bearer ada-token' });
  expect(ada.status).toBe(200);
  expect((await http('POST', path, message('hi'), { authorization: 'Bearer bob-token' })).status).toBe(403);
});

test('an odd session and another method are refused', async () => {
  const { http } = await start();
  expect((await http('POST', '/api/v1/sessions/a%20b/run/sse', message('hi'))).status).toBe(400);
  expect((await http('GET', path)).status).toBe(405);
});
