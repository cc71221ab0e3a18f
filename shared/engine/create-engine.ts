import type { Engine } from './engine.ts';
import { createMemoryEngine } from './memory/engine.ts';
import { createRedisEngine } from './redis/redis-engine.ts';

export interface EngineSettings {
  /** Unset: the embedded engine, for one process. */
  redisUrl?: string | undefined;
  historySize: number;
  historyTtlMs: number;
  metaTtlMs: number;
  minReplicas?: number;
  onWarning?: (message: string) => void;
}

/** The one place that chooses between the engines. */
export function createEngine(settings: EngineSettings): Engine {
  const { redisUrl, ...options } = settings;
  return redisUrl === undefined ? createMemoryEngine(options) : createRedisEngine({ url: redisUrl, ...options });
}
