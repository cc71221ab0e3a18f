import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { must } from '../../../shared/base/assert.ts';
import { ManualClock } from '../../../shared/base/clock.ts';
import type { Agent } from '../../../services/worker/agent.ts';
import { claude } from '../../../services/worker/agents/claude/claude.ts';
import { begins, breaks, calls, errs, refuses, says } from '../../support/messages-api.ts';
import type { MessagesApi, Reply } from '../../support/messages-api.ts';
import { apiKey, claudeOnApi, drive, Told } from './claude-harness.ts';

interface Outcome {
  api: MessagesApi;
  told: Told;
  outputs: unknown[];
  result?: unknown;
  error?: { code: string; message: string; retryable: boolean };
}

/** Runs it on these replies, and says nothing of the time: a wait is over as soon as it began. */
async function run(replies: readonly Reply[], impatient = new Impatient()): Promise<Outcome> {
  const { api, agent } = await claudeOnApi(impatient);
  api.next(...replies);
  const told = new Told('hi');
  return { api, told, ...(await outcomeOf(agent, told)) };
}

async function outcomeOf(agent: Agent, told: Told): Promise<Pick<Outcome, 'outputs' | 'result' | 'error'>> {
  const outputs: unknown[] = [];
  try {
    const { result } = await drive(agent, told, (output) => outputs.push(output));
    return { outputs, result };
  } catch (thrown) {
    const { code, message, retryable } = thrown as Required<Outcome>['error'];
    return { outputs, error: { code, message, retryable } };
  }
}

/** Waits no time, but for the two minutes that the API may be silent. */
class Impatient extends ManualClock {
  readonly waits: number[] = [];

  override later(ms: number, act: () => void): () => void {
    if (ms >= 120_000) return super.later(ms, act);
    this.waits.push(ms);
    const immediate = setImmediate(act);
    return () => clearImmediate(immediate);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('what will not pass is told at once, and not tried again', () => {
  test.each([
    [401, 'authentication_error', 'unauthenticated'],
    [403, 'permission_error', 'unauthenticated'],
    [402, 'billing_error', 'quota_exceeded'],
    [400, 'invalid_request_error', 'bad_input'],
    [404, 'not_found_error', 'bad_input'],
    [413, 'request_too_large', 'bad_input'],
  ])('%d', async (status, type, code) => {
    const { api, error, told } = await run([refuses(status, type, `no: ${apiKey} it is`)]);
    expect(error).toEqual({ code, message: 'the Messages API says: no: … it is', retryable: false });
    expect(api.requests).toHaveLength(1);
    expect(JSON.stringify(told.logged)).not.toContain(apiKey);
    expect(told.logged).toMatchObject([{ fields: { code, status, request: 'req_1' } }]);
  });

  test('a limit of which the API says that waiting does not help', async () => {
    const { api, error } = await run([refuses(429, 'rate_limit_error', 'all spent', { 'x-should-retry': 'false' })]);
    expect(error).toMatchObject({ code: 'rate_limited', retryable: false });
    expect(api.requests).toHaveLength(1);
  });
});

describe('what may pass is tried three times, and then by a new attempt', () => {
  test.each([
    [429, 'rate_limit_error', 'rate_limited'],
    [529, 'overloaded_error', 'overloaded'],
    [500, 'api_error', 'unavailable'],
    [503, 'api_error', 'unavailable'],
  ])('%d', async (status, type, code) => {
    const { api, told, error } = await run([1, 2, 3].map(() => refuses(status, type, 'not now')));
    expect(error).toEqual({ code, message: 'the Messages API says: not now', retryable: true });
    expect(api.requests).toHaveLength(3);
    expect(told.notes).toHaveLength(2);
  });

  test('nobody is there', async () => {
    const told = new Told('hi');
    const agent = claude({ apiKey, baseUrl: `http://127.0.0.1:${await freePort()}`, clock: new Impatient() });
    const { error } = await outcomeOf(agent, told);
    const message = 'the Messages API cannot be reached (ECONNREFUSED)';
    expect(error).toEqual({ code: 'unavailable', message, retryable: true });
    expect(told.notes).toHaveLength(2);
  });

  test.each([
    ['the connection is cut before the answer', breaks],
    ['an answer of nothing', (answer) => void answer.writeHead(200, { 'content-type': 'text/event-stream' }).end()],
    ['a page of something else', (answer) => void answer.writeHead(200).end('<html>welcome</html>')],
  ] satisfies [string, Reply][])('%s', async (_, reply) => {
    const { api, error } = await run([reply, reply, reply]);
    expect(error).toMatchObject({ code: 'unavailable', retryable: true });
    expect(api.requests).toHaveLength(3);
  });

  test('it passes', async () => {
    const impatient = new Impatient();
    const overloaded = refuses(529, 'overloaded_error', 'not now');
    const { outputs, result, told } = await run(
      [overloaded, errs('overloaded_error', 'nor now'), says('hello')],
      impatient,
    );
    expect(outputs).toEqual(['hello']);
    expect(result).toMatchObject({ text: 'hello', usage: { requests: 1 } });
    expect(told.notes).toEqual([
      'the Messages API says: not now; trying again',
      'the Messages API says: nor now; trying again',
    ]);
    expect(impatient.waits[0]).toBeGreaterThanOrEqual(500);
    expect(impatient.waits[1]).toBeGreaterThanOrEqual(1000);
  });
});

describe('retry-after', () => {
  const limited = (seconds: string): Reply => refuses(429, 'rate_limit_error', 'slowly', { 'retry-after': seconds });

  test('is kept to', async () => {
    const impatient = new Impatient();
    const { result } = await run([limited('7'), limited('60'), says('hello')], impatient);
    expect(result).toMatchObject({ text: 'hello' });
    expect(impatient.waits).toEqual([7000, 60_000]);
  });

  test('of more than a minute ends the run', async () => {
    const { api, error } = await run([limited('86400')]);
    expect(error).toMatchObject({ code: 'rate_limited', retryable: false });
    expect(error?.message).toContain('86400 s');
    expect(api.requests).toHaveLength(1);
  });
});

describe('in the middle of an answer, after chunks that a new attempt voids', () => {
  test.each([
    ['an overload', errs('overloaded_error', 'too much'), 'overloaded', 'the Messages API says: too much'],
    ['an error that nobody knows', errs('new_error', 'what'), 'unavailable', 'the Messages API says: what'],
    ['a cut', breaks, 'unavailable', expect.stringMatching(/^the Messages API broke off its answer/)],
    ['an end too early', (answer) => void answer.end(), 'unavailable', 'the Messages API broke off its answer'],
    [
      'garbage',
      (answer) => void answer.end('event: message_delta\ndata: {"type\n\n'),
      'unavailable',
      expect.any(String),
    ],
  ] satisfies [string, Reply, string, unknown][])('%s', async (_, then, code, message) => {
    const { api, outputs, error } = await run([begins(['half an ', 'answer'], then)]);
    expect(outputs).toEqual(['half an ', 'answer']);
    expect(error).toEqual({ code, message, retryable: true });
    expect(api.requests).toHaveLength(1);
  });

  test('a failure after a tool is tried again from there, as long as nothing was said', async () => {
    const { api, agent } = await claudeOnApi(new Impatient());
    const use = { id: 'toolu_1', name: 'calculate', input: { expression: '1+1' } };
    api.next(calls(use), refuses(529, 'overloaded_error', 'not now'), says('2'));
    const { result } = await drive(agent, new Told({ text: 'hi', tools: ['calculate'] }));
    expect(result).toMatchObject({ text: '2', usage: { requests: 2 } });
  });
});

/** In turns of the loop: the clock stands still. */
async function until(condition: () => boolean): Promise<void> {
  await vi.waitFor(() => expect(condition()).toBe(true), { timeout: 20_000, interval: 1 });
  await turn();
}

describe('silence', () => {
  test('of two minutes ends the answer, and pings are none', async () => {
    const clock = new ManualClock();
    const { api, agent } = await claudeOnApi(clock);
    let ping: () => void = () => {};
    api.next(begins(['half'], (answer) => void (ping = () => answer.write('event: ping\ndata: {"type": "ping"}\n\n'))));
    const heard: unknown[] = [];
    const failing = drive(agent, new Told('hi'), (output) => heard.push(output));
    failing.catch(() => {});
    await until(() => heard.length === 1);
    const later = vi.spyOn(clock, 'later');
    clock.advance(119_999);
    ping();
    await until(() => later.mock.calls.length === 1);
    clock.advance(119_999);
    expect(must(api.requests[0]).gone).toBe(false);
    clock.advance(1);
    await expect(failing).rejects.toMatchObject({
      code: 'unavailable',
      retryable: true,
      message: expect.stringContaining('120 s'),
    });
    await until(() => must(api.requests[0]).gone);
    expect(clock.pending).toBe(0);
  });

  test('before the first byte is one, too', async () => {
    const clock = new ManualClock();
    const { api, agent } = await claudeOnApi(clock);
    api.next(() => {}, says('late'));
    const told = new Told('hi');
    const driven = drive(agent, told);
    await until(() => api.requests.length === 1);
    clock.advance(120_000);
    await until(() => told.notes.length === 1 && clock.pending === 1);
    clock.advance(1000);
    expect(await driven).toMatchObject({ outputs: ['late'] });
  });
});

describe('a cancel', () => {
  const reason = new Error('enough');

  test('ends the request, and the server sees it', async () => {
    const clock = new ManualClock();
    const { api, agent } = await claudeOnApi(clock);
    api.next(begins(['half']));
    const told = new Told('hi');
    const driven = drive(agent, told, () => told.stopping.abort(reason));
    await expect(driven).rejects.toBe(reason);
    await until(() => must(api.requests[0]).gone);
    expect(clock.pending).toBe(0);
  });

  test('while nothing has come yet', async () => {
    const { api, agent } = await claudeOnApi();
    api.next(() => {});
    const told = new Told('hi');
    const driven = drive(agent, told);
    driven.catch(() => {});
    await until(() => api.requests.length === 1);
    told.stopping.abort(reason);
    await expect(driven).rejects.toBe(reason);
    await until(() => must(api.requests[0]).gone);
  });

  test('ends a wait', async () => {
    const clock = new ManualClock();
    const { api, agent } = await claudeOnApi(clock);
    api.next(refuses(429, 'rate_limit_error', 'slowly', { 'retry-after': '50' }));
    const told = new Told('hi');
    const driven = drive(agent, told);
    driven.catch(() => {});
    await until(() => told.notes.length === 1 && clock.pending === 1);
    told.stopping.abort(reason);
    await expect(driven).rejects.toBe(reason);
    expect([clock.pending, api.requests.length]).toEqual([0, 1]);
  });
});
