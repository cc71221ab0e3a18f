import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { AgentwireClient } from '../../../shared/client/index.ts';
import { startBalancer } from '../../support/balancer.ts';
import { startGateway } from '../../support/in-process.ts';
import { listed } from '../../support/session-places.ts';
import { codeOf } from './harness.ts';

type Format = 'json' | 'msgpack';

/** A gateway as it is, and a way to cut the client off. */
async function start(format: Format): Promise<{ client: AgentwireClient; cut: () => void }> {
  const gateway = await startGateway();
  const balancer = await startBalancer([gateway.port]);
  // It comes back at once: there is nobody else to make room for.
  const random = (): number => 0;
  const client = new AgentwireClient({ url: `ws://127.0.0.1:${balancer.port}`, WebSocket, format, random });
  onTestFinished(() => client.close());
  await client.connect();
  return { client, cut: () => balancer.cut(1) };
}

test.each<Format>(['json', 'msgpack'])('what the page shows, in %s', async (format) => {
  const { client } = await start(format);
  const { session, rev } = await client.sessions.create({ name: 'a talk', metadata: { by: 'me' } });
  const changed = await client.sessions.update(session, { rev, state: { step: 1 } });
  expect(await client.sessions.get(session)).toEqual(changed);
  expect(await codeOf(client.sessions.update(session, { rev, state: {} }))).toBe('conflict');
  const made = await client.checkpoints.create(session, { label: 'before the risky part', tags: ['safe'] });
  await client.sessions.update(session, { state: { step: 2 } });
  const restored = await client.checkpoints.restore(made.checkpoint);
  expect(restored.session.state).toEqual({ step: 1 });
  expect(await client.checkpoints.diff(restored.checkpoint.checkpoint, made.checkpoint)).toEqual([
    { op: 'replace', path: '/step', value: 1 },
  ]);
  expect(await listed(client.checkpoints.list(session, { tag: 'safe' }))).toEqual([made]);
  expect(await listed(client.checkpoints.list(session, { limit: 1 }))).toEqual([restored.checkpoint, made]);
  expect(await client.checkpoints.get(made.checkpoint)).toEqual(made);
  await client.checkpoints.delete(made.checkpoint);
  expect(await codeOf(client.checkpoints.get(made.checkpoint))).toBe('not_found');
  await client.sessions.delete(session);
  expect(await listed(client.sessions.list())).toEqual([]);
});

test('sessions that are made through cuts are made once each, and a loop over them gets to its end', async () => {
  const { client, cut } = await start('json');
  const made: string[] = [];
  for (let i = 0; i < 30; i += 1) {
    const making = client.sessions.create({ name: `${i}` });
    if (i % 3 === 0) setTimeout(cut, i / 10);
    made.unshift((await making).session);
  }
  const found: string[] = [];
  for await (const { session } of client.sessions.list({ limit: 5 })) {
    if (found.push(session) % 10 === 0) cut();
  }
  expect(found).toEqual(made);
});
