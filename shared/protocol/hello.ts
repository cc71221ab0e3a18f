import * as z from 'zod';
import { count, envelope } from './common.ts';

/** Versions that nobody speaks are no fault of form: the answer to those is `unsupported_version`. */
export const helloRequest = z.object({
  type: z.literal('hello'),
  ...envelope,
  versions: z.array(z.number()).max(64),
  token: z.string().exactOptional(),
  /** Who is calling, for logs: a name with a version, or a map of such. */
  client: z
    .union([z.string().max(256), z.record(z.string(), z.unknown())], { error: 'must be a short string or a map' })
    .exactOptional(),
});
export type HelloRequest = z.output<typeof helloRequest>;

export const helloResult = z.object({
  version: z.int(),
  connection: z.string(),
  node: z.string(),
  server: z.string(),
  time: count,
  heartbeat: z.object({ intervalMs: count, timeoutMs: count }),
  limits: z.object({ maxFrameBytes: count, maxSubscriptions: count, queue: count }),
  identity: z.string(),
});
export type HelloResult = z.output<typeof helloResult>;
