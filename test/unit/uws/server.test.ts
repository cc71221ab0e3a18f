import { expect, test, vi } from 'vitest';
import type { Reply } from '../../../services/gateway/core/transport.ts';
import { dial, freePort, join, Recorder, serve, until } from './harness.ts';

test('a taken port is refused with a message that names it', async () => {
  const { port } = await serve();
  await expect(serve({ port })).rejects.toThrow(`127.0.0.1:${port}`);
  await expect(serve({ port, reusePort: true })).rejects.toThrow('the port is taken');
});

test('an address that is not of this machine is refused', async () => {
  await expect(serve({ host: '192.0.2.1' })).rejects.toThrow('192.0.2.1:0');
});

test.each(['named', 'found free'])('servers that share a port both get connections: one %s', async (how) => {
  const first = new Recorder();
  const second = new Recorder();
  const { port } = await serve({
    port: how === 'named' ? await freePort() : 0,
    reusePort: true,
    webSockets: [first],
  });
  await serve({ port, reusePort: true, webSockets: [second] });
  for (let i = 0; i < 200 && (first.links.length === 0 || second.links.length === 0); i += 1) await join(port);
  expect(first.links.length).toBeGreaterThan(0);
  expect(second.links.length).toBeGreaterThan(0);
});

test('it counts what has no answer, and lets HTTP connections end with theirs when it is told to', async () => {
  let answer: (reply: Reply) => void = () => {};
  const late = new Promise<Reply>((resolve) => (answer = resolve));
  const server = await serve({
    http: [
      { method: 'GET', path: '/late', handle: () => late },
      { method: 'GET', path: '/now', handle: () => ({ status: 200, body: 'now' }) },
    ],
  });
  const ask = async (method: string, path: string): Promise<{ text: () => string; ended: () => boolean }> => {
    const { socket, text } = await dial(server.port);
    let ended = false;
    socket.on('end', () => (ended = true));
    socket.write(`${method} ${path} HTTP/1.1\r\nhost: test\r\n\r\n`);
    return { text, ended: () => ended };
  };
  const kept = await ask('GET', '/now');
  await until(() => kept.text().endsWith('now'));
  expect(kept.text()).not.toMatch(/^connection: close/im);
  const waiting = await ask('GET', '/late');
  await until(() => server.unanswered() === 1);
  server.endConnections();
  const [got, headed] = [await ask('GET', '/now'), await ask('HEAD', '/now')];
  await until(() => got.ended() && headed.text().endsWith('\r\n\r\n'));
  answer({ status: 200, body: 'late' });
  await until(() => waiting.text().endsWith('late') && waiting.ended());
  for (const { text } of [got, headed, waiting]) expect(text()).toMatch(/^connection: close\r$/im);
  expect([server.unanswered(), kept.ended()]).toEqual([0, false]);
});

test('once it does not listen any more nobody can connect, and who is connected is served', async () => {
  const server = await serve({
    http: [{ method: 'GET', path: '/now', handle: () => ({ status: 200, body: 'now' }) }],
  });
  const kept = await dial(server.port);
  server.stopListening();
  await vi.waitFor(() => expect(dial(server.port)).rejects.toThrow('ECONNREFUSED'), { timeout: 10_000, interval: 5 });
  kept.socket.write('GET /now HTTP/1.1\r\nhost: test\r\n\r\n');
  await until(() => kept.text().endsWith('now'));
  server.stopListening();
  server.close();
});

test('a close cuts every connection, tells each once, and may be repeated', async () => {
  const recorder = new Recorder();
  const server = await serve({ webSockets: [recorder] });
  const clients = [await join(server.port), await join(server.port)];
  server.close();
  server.close();
  expect(recorder.told).toEqual(['closed 1006', 'closed 1006']);
  for (const client of clients) expect((await client.closed).code).toBe(1006);
});
