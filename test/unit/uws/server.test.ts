import { expect, test } from 'vitest';
import { freePort, join, Recorder, serve, until } from './harness.ts';

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

test('after it stopped listening open connections live on and new ones fail', async () => {
  const recorder = new Recorder();
  recorder.onMessage = (link, message, binary) => link.send(message, binary);
  const server = await serve({ webSockets: [recorder] });
  const client = await join(server.port);
  server.stopListening();
  server.stopListening();
  await expect(fetch(`http://127.0.0.1:${server.port}/`)).rejects.toThrow('fetch failed');
  client.socket.send('still here');
  await until(() => client.received.length === 1);
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
