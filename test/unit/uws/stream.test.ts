import { expect, test } from 'vitest';
import type { HttpRoute } from '../../../services/gateway/core/transport.ts';
import type { Socket } from '../../../services/gateway/hub/ports.ts';
import { bytes, dial, serve, turn, until } from './harness.ts';
import type { Running } from './harness.ts';

interface Stream {
  server: Running;
  sink: Socket;
  told: string[];
  client: Awaited<ReturnType<typeof dial>>;
}

async function open(onDrained: (sink: Socket) => void = () => {}): Promise<Stream> {
  const told: string[] = [];
  let sink: Socket | undefined;
  const route: HttpRoute = {
    method: 'GET',
    path: '/stream',
    handle: () => ({
      status: 200,
      headers: { 'content-type': 'text/event-stream' },
      stream(opened) {
        sink = opened;
        return {
          drained() {
            told.push('drained');
            onDrained(opened);
          },
          gone: () => void told.push('gone'),
        };
      },
    }),
  };
  const server = await serve({ http: [route] });
  const client = await dial(server.port);
  client.socket.write('GET /stream HTTP/1.1\r\nhost: x\r\n\r\n');
  await until(() => sink !== undefined);
  return { server, sink: sink!, told, client };
}

const chunk = (i: number): Uint8Array => bytes(`data: <${i}>${'x'.repeat(8 * 1024)}\n\n`);

/** Sends until a chunk is refused, whatever the kernel takes at first. */
async function fill(sink: Socket): Promise<number> {
  let taken = 0;
  while (sink.send(chunk(taken), false)) {
    taken += 1;
    if (taken % 50 === 0) await turn();
  }
  return taken;
}

const numbers = (text: string): number[] => [...text.matchAll(/<(\d+)>/g)].map((match) => Number(match[1]));

test('the headers are there before the first event', async () => {
  const { client } = await open();
  await until(() => client.text().includes('\r\n\r\n'));
  expect(client.text()).toContain('200 OK');
  expect(client.text()).toContain('text/event-stream');
});

test('events arrive in order, one by one and corked', async () => {
  const { sink, client } = await open();
  expect(sink.send(chunk(0), false)).toBe(true);
  await until(() => numbers(client.text()).length === 1);
  sink.cork(() => {
    for (let i = 1; i < 10; i += 1) expect(sink.send(chunk(i), false)).toBe(true);
  });
  await until(() => numbers(client.text()).length === 10);
  expect(numbers(client.text())).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(sink.buffered()).toBe(0);
});

test('a reader that stops gets no more than one chunk kept for it, and everything that was taken once it reads on', async () => {
  const { sink, client, told } = await open();
  client.socket.pause();
  const taken = await fill(sink);
  const waiting = sink.buffered();
  expect(waiting).toBe(chunk(taken - 1).length);
  for (let i = 0; i < 100; i += 1) expect(sink.send(chunk(i), false)).toBe(false);
  expect(sink.buffered()).toBe(waiting);
  expect(told).toEqual([]);
  client.socket.resume();
  await until(() => told.length === 1);
  expect(told).toEqual(['drained']);
  expect(sink.buffered()).toBe(0);
  await until(() => numbers(client.text()).length === taken);
  expect(sink.send(chunk(taken), false)).toBe(true);
  await until(() => numbers(client.text()).length === taken + 1);
  expect(numbers(client.text())).toEqual(Array.from({ length: taken + 1 }, (_, i) => i));
});

test('a writer that goes on at each drain brings everything through to a slow reader', async () => {
  const total = 2_000;
  let next = 0;
  const more = (sink: Socket): void => {
    while (next < total && sink.send(chunk(next), false)) next += 1;
  };
  const { sink, client } = await open(more);
  client.socket.pause();
  more(sink);
  expect(next).toBeLessThan(total);
  client.socket.on('data', () => {
    client.socket.pause();
    setImmediate(() => client.socket.resume());
  });
  client.socket.resume();
  await until(() => next === total);
  await until(() => client.text().includes(`<${total - 1}>`));
  expect(numbers(client.text())).toEqual(Array.from({ length: total }, (_, i) => i));
});

test('a client that goes away is told once, and what is sent then is refused', async () => {
  const { sink, client, told, server } = await open();
  client.socket.destroy();
  await until(() => told.length > 0);
  expect(told).toEqual(['gone']);
  expect(sink.send(chunk(0), false)).toBe(false);
  sink.close(1000, '');
  sink.cork(() => sink.flush());
  server.close();
  expect(told).toEqual(['gone']);
  expect(server.faults).toEqual([]);
});

test('a close ends the response after what was sent, and tells nothing', async () => {
  const { sink, client, told, server } = await open();
  sink.send(chunk(7), false);
  sink.close(1001, 'draining');
  sink.close(1001, 'draining');
  await until(() => client.text().endsWith('0\r\n\r\n'));
  expect(numbers(client.text())).toEqual([7]);
  expect(sink.send(chunk(8), false)).toBe(false);
  client.socket.destroy();
  server.close();
  expect(told).toEqual([]);
});

test('a stream that throws in its opening is reported and ends the connection', async () => {
  const server = await serve({
    http: [
      {
        method: 'GET',
        path: '/',
        handle: () => ({
          status: 200,
          stream() {
            throw new Error('opening');
          },
        }),
      },
    ],
  });
  const { socket } = await dial(server.port);
  let ended = false;
  socket.on('close', () => {
    ended = true;
  });
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await until(() => ended);
  expect(server.faults).toEqual([new Error('opening')]);
});

test('a handler that throws at a drain ends its stream', async () => {
  const { sink, client, server } = await open(() => {
    throw new Error('drain');
  });
  client.socket.pause();
  await fill(sink);
  client.socket.resume();
  await until(() => client.text().endsWith('0\r\n\r\n'));
  expect(server.faults).toEqual([new Error('drain')]);
});
