import { createServer } from 'node:net';

/** So many different ports that nobody listens on. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    // Below the range from which the system itself gives out ports, else a client's socket may sit on one by the time it is used.
    const port = 12_000 + Math.floor(Math.random() * 18_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

export async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const free = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
  if (free) await new Promise((resolve) => server.close(resolve));
  return free;
}
