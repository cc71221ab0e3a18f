import { onTestFinished } from 'vitest';
import type { Clock } from '../../shared/base/clock.ts';
import type { Config } from '../../shared/config/options.ts';
import { loadConfig } from '../../shared/config/load-config.ts';
import { createEngine } from '../../shared/engine/create-engine.ts';
import type { Engine } from '../../shared/engine/engine.ts';
import { createLogger } from '../../shared/observe/log.ts';
import type { Tracing } from '../../shared/observe/tracing.ts';
import type { Middleware } from '../../services/gateway/core/middleware.ts';
import { Gateway } from '../../services/gateway/gateway.ts';

export interface InProcessOptions {
  clock?: Clock;
  middleware?: readonly Middleware[];
  tracing?: Tracing;
  /** Stands between the gateway and its store. */
  around?: (engine: Engine) => Engine;
}

export interface InProcess {
  readonly port: number;
  readonly url: string;
  readonly gateway: Gateway;
  readonly engine: Engine;
  /** Lines that it logged, as objects. */
  readonly logged: Record<string, unknown>[];
  readonly http: Http;
}

export type Http = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<HttpAnswer>;

export interface HttpAnswer {
  status: number;
  headers: Headers;
  text: string;
  /** The body as JSON. */
  json: <T = Record<string, unknown>>() => T;
}

export function configOf(env: Record<string, string>): Config {
  const loaded = loadConfig({ HOST: '127.0.0.1', PORT: '0', ...env });
  if (!loaded.ok) throw new Error(loaded.faults.join('; '));
  return loaded.config;
}

/** A gateway inside of the test's process, on a store of its own in memory; gone at the end of the test. */
export async function startGateway(
  env: Record<string, string> = {},
  options: InProcessOptions = {},
): Promise<InProcess> {
  const config = configOf(env);
  const logged: Record<string, unknown>[] = [];
  const log = createLogger(config.logLevel, {}, { write: (line) => void logged.push(JSON.parse(line)) });
  const store = createEngine({
    historySize: config.historySize,
    historyTtlMs: config.historyTtlS * 1000,
    metaTtlMs: config.metaTtlS * 1000,
  });
  const engine = options.around?.(store) ?? store;
  const { clock, middleware, tracing } = options;
  const gateway = new Gateway({
    config,
    engine,
    log,
    version: '0.0.0-test',
    ...(clock ? { clock } : {}),
    ...(middleware ? { middleware } : {}),
    tracing,
  });
  await store.start();
  await gateway.start();
  onTestFinished(async () => {
    await gateway.stop();
    await store.stop();
  });
  const url = `http://127.0.0.1:${gateway.port}`;
  return { port: gateway.port, url, gateway, engine, logged, http: httpOf(url) };
}

/** Plain HTTP; a body that is no text goes out as JSON. */
export function httpOf(url: string): Http {
  return async (method, path, body, headers = {}) => {
    const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    const response = await fetch(url + path, { method, headers, ...sent });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: <T>() => JSON.parse(text) as T };
  };
}
