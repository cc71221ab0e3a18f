import type { Config, ServiceName } from './options.ts';

/** Rules that span several options. Each answers with a fault that names all of them. */
const rules: readonly ((config: Config, service: ServiceName) => string | false)[] = [
  ({ auth, tokens }) =>
    auth === 'token' && tokens.length === 0 && 'AGENTWIRE_AUTH is token, but AGENTWIRE_TOKENS names none',
  // Set by mistake, they would look like protection and be none.
  ({ auth, tokens }) => auth === 'none' && tokens.length > 0 && 'AGENTWIRE_TOKENS needs AGENTWIRE_AUTH=token',
  ({ heartbeatMs, clientTimeoutMs }) =>
    heartbeatMs >= clientTimeoutMs && 'AGENTWIRE_HEARTBEAT_MS must be below AGENTWIRE_CLIENT_TIMEOUT_MS',
  ({ minReplicas, redisUrl }) => minReplicas > 0 && redisUrl === undefined && 'AGENTWIRE_MIN_REPLICAS needs REDIS_URL',
  ({ processes, redisUrl }) => processes > 1 && redisUrl === undefined && 'AGENTWIRE_PROCESSES above 1 needs REDIS_URL',
  // On an engine of its own nobody could ever give it a run.
  ({ redisUrl }, service) => service === 'worker' && redisUrl === undefined && 'a worker needs REDIS_URL',
];

export function ruleFaults(config: Config, service: ServiceName): string[] {
  return rules.map((rule) => rule(config, service)).filter((fault) => fault !== false);
}
