import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startRedis } from '../../test/support/redis-server.ts';
import { startServer } from './processes.ts';
import type { ServerProcess } from './processes.ts';
import { textFrame } from './ws-frames.ts';

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const builtFile = (service: 'gateway' | 'worker'): string => fileOf(`../../dist/services/${service}/main.js`);

/** The JSON text of an event's data: 200 bytes. */
export const data = JSON.stringify('x'.repeat(198));
/** No answer and no notice of a measurement is as long, and every event is longer. */
export const eventBytes = 200;

/** What is measured: the processes of one side, and how to talk to them. */
export interface Target {
  readonly path: string;
  readonly nodes: readonly ServerProcess[];
  readonly redisPid: number | undefined;
  subscribe(topic: string): Buffer;
  publish(topic: string): Buffer;
  stop(): Promise<void>;
}

export interface TargetOptions {
  /** Takes a CPU profile of each gateway into this folder. It slows them down. */
  profileFolder?: string | undefined;
}

export type StartTarget = (options: TargetOptions) => Promise<Target>;

export const agentwireFrames: Pick<Target, 'path' | 'subscribe' | 'publish'> = {
  path: '/v1/ws',
  subscribe: (topic) => textFrame(`{"type":"subscribe","id":1,"topics":["${topic}"]}`),
  publish: (topic) => textFrame(`{"type":"publish","id":1,"topic":"${topic}","data":${data}}`),
};

/** Gateways as they are shipped, on a Redis of their own. */
export function agentwire(gateways: number): StartTarget {
  return async (options) => {
    const cluster = await startCluster(gateways, ({ url }) => startService('gateway', url, options));
    return { ...agentwireFrames, ...cluster };
  };
}

/** A gateway or a worker as it is shipped. */
export async function startService(
  service: 'gateway' | 'worker',
  redisUrl: string,
  { profileFolder }: TargetOptions,
  settings: Record<string, string> = {},
): Promise<ServerProcess> {
  const file = builtFile(service);
  if (!existsSync(file)) throw new Error('dist/ is not there: run `make bench`, or `make build` first');
  const env = {
    HOST: '127.0.0.1',
    PORT: '0',
    REDIS_URL: redisUrl,
    AGENTWIRE_DRAIN_MS: '0',
    // The clients of a measurement never answer a ping, and one that only listens would be closed as dead.
    AGENTWIRE_CLIENT_TIMEOUT_MS: '3600000',
    ...settings,
  };
  return await startServer(file, [], env, profileFolder, service);
}

const bareFrames: Pick<Target, 'path' | 'subscribe' | 'publish'> = {
  path: '/',
  subscribe: (topic) => textFrame(`+${topic}`),
  // The very bytes that a gateway would make of it, so that both sides move the same.
  publish: (topic) =>
    textFrame(
      `${topic} {"type":"event","topic":"${topic}","seq":1000,"epoch":"abcdefghij","ts":1790000000000,"data":${data}}`,
    ),
};

/** uWebSockets.js alone. */
export const bareServer: StartTarget = async () => {
  const node = await startServer(fileOf('bare-server.ts'), [], {});
  return { ...bareFrames, nodes: [node], redisPid: undefined, stop: () => node.stop() };
};

/** uWebSockets.js and the plain append script, on a Redis of their own. */
export function bareCluster(nodes: number): StartTarget {
  return async () => {
    const cluster = await startCluster(nodes, (redis) =>
      startServer(fileOf('bare-cluster.ts'), [String(redis.port)], {}),
    );
    return { ...bareFrames, ...cluster };
  };
}

async function startCluster(
  count: number,
  start: (redis: { url: string; port: number }) => Promise<ServerProcess>,
): Promise<Pick<Target, 'nodes' | 'redisPid' | 'stop'>> {
  const redis = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] });
  const nodes: ServerProcess[] = [];
  for (let i = 0; i < count; i++) nodes.push(await start(redis));
  const stop = async (): Promise<void> => {
    for (const node of nodes) await node.stop();
    await redis.stop();
  };
  return { nodes, redisPid: redis.pid, stop };
}
