import { describe, expect, it } from 'vitest';
import { fail } from '../../../shared/base/errors.ts';
import type { Middleware } from '../../../services/gateway/core/middleware.ts';
import { codeOf, join } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

describe('middleware', () => {
  it('stands around every operation in the order of the list, and the first that refuses ends the call', async () => {
    const seen: string[] = [];
    const named = (name: string, refuses: string): Middleware => ({
      before: (operation) => {
        seen.push(`${name} before ${operation}`);
        return operation === refuses ? fail('busy', `${name} says no`) : undefined;
      },
      after: (operation, _caller, outcome) => void seen.push(`${name} after ${operation}: ${outcome}`),
    });
    const middleware = [named('first', 'history'), named('second', 'publish')];
    const { port, http, engine } = await startGateway({}, { middleware });
    const client = await join(port);
    await client.request({ type: 'subscribe', topics: ['a.b'] });
    expect(await client.ask({ type: 'publish', topic: 'a.b', data: 1 })).toMatchObject({
      error: { code: 'busy', message: 'second says no', retryable: true },
    });
    expect((await http('GET', '/v1/topics/a.b/events')).status).toBe(503);
    expect(await engine.log.read('a.b', { limit: 1 })).toMatchObject({ value: { events: [] } });
    expect(seen).toEqual([
      'first before subscribe',
      'second before subscribe',
      'first after subscribe: ok',
      'second after subscribe: ok',
      'first before publish',
      'second before publish',
      'first after publish: busy',
      'second after publish: busy',
      'first before history',
      'first after history: busy',
      'second after history: busy',
    ]);
  });

  it('of the host comes after our own: who is not known never gets to it', async () => {
    let calls = 0;
    const middleware: Middleware[] = [{ before: () => void (calls += 1) }];
    const env = { AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 't' };
    const { port } = await startGateway(env, { middleware });
    const client = await join(port);
    expect(await client.refusal({ type: 'publish', topic: 'a.b', data: 1 })).toBe('unauthenticated');
    expect(calls).toBe(0);
  });
});

describe('a fault of ours', () => {
  it('is internal, says nothing of its cause, is logged, and the connection lives on', async () => {
    const around: Parameters<typeof startGateway>[1] = {
      around: (engine) => {
        engine.log.append = () => {
          throw new Error('the secret of the store');
        };
        engine.log.read = () => Promise.reject(new Error('the secret of the store'));
        return engine;
      },
    };
    const { port, http, logged } = await startGateway({}, around);
    const client = await join(port);
    for (const request of [
      { type: 'publish', topic: 'a.b', data: 1 },
      { type: 'history', topic: 'a.b' },
    ]) {
      const answer = await client.ask(request);
      expect(codeOf(answer)).toBe('internal');
      expect(JSON.stringify(answer)).not.toContain('secret');
    }
    const answer = await http('POST', '/v1/topics/a.b/publish', { data: 1 });
    expect(answer.status).toBe(500);
    expect(answer.text).not.toContain('secret');
    expect((await client.ask({ type: 'ping' })).type).toBe('pong');
    expect(logged.filter((line) => JSON.stringify(line).includes('the secret of the store'))).toHaveLength(3);
  });
});

describe('permessage-deflate', () => {
  it.each([
    ['off', ''],
    ['on', 'permessage-deflate'],
  ])('is %s by AGENTWIRE_COMPRESSION, for clients that offer it', async (setting, extensions) => {
    const { port } = await startGateway({ AGENTWIRE_COMPRESSION: setting });
    for (const format of ['json', 'msgpack'] as const) {
      const client = await join(port, { compress: true, format });
      expect(client.socket.extensions).toBe(extensions);
      await client.request({ type: 'subscribe', topics: ['a.b'] });
      const data = { text: 'again and '.repeat(1000) };
      await client.request({ type: 'publish', topic: 'a.b', data });
      expect((await client.gather(1))[0]?.data).toEqual(data);
    }
    const plain = await join(port);
    expect(plain.socket.extensions).toBe('');
    expect((await plain.ask({ type: 'ping' })).type).toBe('pong');
  });

  it('does not let a small frame unfold into one over the limit', async () => {
    const env = { AGENTWIRE_COMPRESSION: 'on', AGENTWIRE_MAX_FRAME_BYTES: '4096' };
    const { port } = await startGateway(env);
    const [client, other] = [await join(port, { compress: true }), await join(port)];
    await other.request({ type: 'subscribe', topics: ['a.b'] });
    client.sendAsIs({ type: 'publish', topic: 'a.b', data: 'x'.repeat(1_000_000) });
    expect([1006, 1009]).toContain((await client.end()).code);
    expect((await other.ask({ type: 'ping' })).type).toBe('pong');
    expect(other.events).toEqual([]);
  });
});
