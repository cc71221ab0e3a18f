import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { codeOf, join } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

const guarded = { AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'tok-a=alice,tok-b' };

describe('a token', () => {
  it('may come in hello', async () => {
    const { port } = await startGateway(guarded);
    const client = await join(port);
    expect(await client.request({ type: 'hello', versions: [1], token: 'tok-a' })).toMatchObject({ identity: 'alice' });
    expect(await client.request({ type: 'publish', topic: 'a.b', data: 1 })).toMatchObject({ seq: 1 });
  });

  it('may come in the header of the upgrade, whatever the case of its scheme', async () => {
    const { port } = await startGateway(guarded);
    for (const authorization of ['Bearer tok-a', 'bearer tok-a']) {
      const client = await join(port, { headers: { authorization } });
      expect(await client.request({ type: 'hello', versions: [1] })).toMatchObject({ identity: 'alice' });
    }
  });

  it('may come in the query, and hello may be left out then', async () => {
    const { port } = await startGateway(guarded);
    const client = await join(port, { path: '/v1/ws?token=tok-a' });
    expect(await client.request({ type: 'publish', topic: 'a.b', data: 1 })).toMatchObject({ seq: 1 });
  });

  it('without an identity of its own gets a name that does not give it away', async () => {
    const { port } = await startGateway(guarded);
    const client = await join(port, { path: '/v1/ws?token=tok-b' });
    const { identity } = await client.request<{ identity: string }>({ type: 'hello', versions: [1] });
    expect(identity).toMatch(/^token-/);
    expect(identity).not.toContain('tok-b');
  });

  it('in hello is whose the connection is from then on', async () => {
    const { port } = await startGateway(guarded);
    const client = await join(port, { path: '/v1/ws?token=tok-b' });
    expect(await client.request({ type: 'hello', versions: [1], token: 'tok-a' })).toMatchObject({ identity: 'alice' });
  });

  it('that is refused in hello is answered, and closes with 4401', async () => {
    const { port } = await startGateway(guarded);
    const client = await join(port);
    expect(await client.refusal({ type: 'hello', versions: [1], token: 'wrong' })).toBe('unauthenticated');
    expect(await client.end()).toMatchObject({ code: 4401 });
  });

  it('that is refused in the upgrade closes with 4401', async () => {
    const { port } = await startGateway(guarded);
    for (const options of [{ path: '/v1/ws?token=wrong' }, { headers: { authorization: 'Bearer wrong' } }]) {
      const client = await join(port, options);
      expect(await client.end()).toMatchObject({ code: 4401 });
      expect(client.frames).toEqual([]);
    }
  });

  it('is not asked for where authentication is off', async () => {
    const { port } = await startGateway();
    const client = await join(port, { path: '/v1/ws?token=whatever' });
    expect(await client.request({ type: 'hello', versions: [1], token: 'any' })).toMatchObject({
      identity: 'anonymous',
    });
  });
});

describe('before hello', () => {
  it('every other request is unauthenticated, and a hello is still welcome', async () => {
    const { port } = await startGateway(guarded);
    const client = await join(port);
    const requests = [
      { type: 'subscribe', topics: ['a.b'] },
      { type: 'unsubscribe', topics: ['a.b'] },
      { type: 'publish', topic: 'a.b', data: 1 },
      { type: 'history', topic: 'a.b' },
      { type: 'metrics' },
    ];
    for (const request of requests) expect(await client.refusal(request)).toBe('unauthenticated');
    expect(await client.refusal({ type: 'hello', versions: [1] })).toBe('unauthenticated');
    await client.request({ type: 'hello', versions: [1], token: 'tok-a' });
    expect(await client.request({ type: 'history', topic: 'a.b' })).toMatchObject({ seq: 0, events: [] });
  });

  it('a connection has until the timeout, and is closed with 4401 then', async () => {
    const clock = new ManualClock();
    const { port } = await startGateway({ ...guarded, AGENTWIRE_AUTH_TIMEOUT_MS: '3000' }, { clock });
    const silent = await join(port);
    const known = await join(port, { path: '/v1/ws?token=tok-a' });
    const greeted = await join(port);
    await greeted.request({ type: 'hello', versions: [1], token: 'tok-a' });
    clock.advance(2900);
    expect((await silent.ask({ type: 'ping' })).type).toBe('pong');
    clock.advance(1000);
    expect(await silent.end()).toMatchObject({ code: 4401 });
    for (const client of [known, greeted]) expect((await client.ask({ type: 'ping' })).type).toBe('pong');
  });

  it('requests sent right behind hello, without waiting for its answer, are taken after it', async () => {
    const { port } = await startGateway(guarded);
    const client = await join(port);
    const hello = client.send({ type: 'hello', versions: [1], token: 'tok-a' });
    const subscribe = client.send({ type: 'subscribe', topics: ['a.b'] });
    const publish = client.send({ type: 'publish', topic: 'a.b', data: 1 });
    for (const id of [hello, subscribe, publish]) expect((await client.answerTo(id)).type).toBe('ok');
    await client.gather(1);
  });

  it('nothing runs that was sent behind a hello whose token is refused', async () => {
    const { port, engine } = await startGateway(guarded);
    const client = await join(port);
    client.send({ type: 'hello', versions: [1], token: 'wrong' });
    client.send({ type: 'publish', topic: 'a.b', data: 1 });
    expect(await client.end()).toMatchObject({ code: 4401 });
    expect(client.frames.map(codeOf).filter((code) => code !== 'unauthenticated')).toEqual([]);
    expect(await engine.log.read('a.b', { limit: 1 })).toMatchObject({ value: { events: [] } });
  });
});

describe('with authentication on', () => {
  it('the topics of runs and sessions are not for everybody, by name or by pattern', async () => {
    const { port } = await startGateway(guarded);
    const client = await join(port, { path: '/v1/ws?token=tok-a' });
    for (const topic of ['run.x', 'session.x.y', 'run.#', 'session.*.y', '$a', '$a.#']) {
      expect(await client.refusal({ type: 'subscribe', topics: [topic] })).toBe('forbidden');
    }
    expect(await client.refusal({ type: 'history', topic: 'run.x' })).toBe('forbidden');
    await client.request({ type: 'subscribe', topics: ['#', '*.x', 'agent.#'] });
  });
});

describe('an origin', () => {
  const env = { AGENTWIRE_ALLOWED_ORIGINS: 'https://app.example,http://localhost:3000' };

  it('that is not on the list closes with 4403', async () => {
    const { port } = await startGateway(env);
    for (const origin of ['https://evil.example', 'http://app.example', 'https://app.example.evil', 'null']) {
      const client = await join(port, { headers: { origin } });
      expect(await client.end()).toMatchObject({ code: 4403 });
    }
  });

  it('that is on the list may connect, and so may a client that sends none', async () => {
    const { port } = await startGateway(env);
    for (const headers of [{ origin: 'https://app.example' }, { origin: 'http://localhost:3000' }, {}]) {
      const client = await join(port, { headers: headers as Record<string, string> });
      expect((await client.ask({ type: 'ping' })).type).toBe('pong');
    }
  });
});
