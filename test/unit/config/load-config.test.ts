import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../shared/config/load-config.ts';
import type { Config } from '../../../shared/config/options.ts';

type Env = Record<string, string>;

function configOf(env: Env): Config {
  const result = loadConfig(env);
  expect(result).toHaveProperty('config');
  return (result as { config: Config }).config;
}

function faultsOf(env: Env): string[] {
  const result = loadConfig(env);
  return result.ok ? [] : result.faults;
}

test('an empty environment gives the defaults', () => {
  expect(configOf({})).toEqual({
    port: 8080,
    host: '0.0.0.0',
    redisUrl: undefined,
    processes: 1,
    auth: 'none',
    tokens: [],
    authTimeoutMs: 10_000,
    allowedOrigins: [],
    maxConnections: 100_000,
    maxFrameBytes: 1_048_576,
    maxSubscriptions: 1000,
    rateMessages: 0,
    maxInflight: 64,
    queue: 1000,
    historySize: 1000,
    historyTtlS: 3600,
    metaTtlS: 2_592_000,
    minReplicas: 0,
    checkpointsPerSession: 10_000,
    checkpointTtlS: 2_592_000,
    runHistorySize: 10_000,
    runTimeoutMs: 3_600_000,
    maxRunsPerIdentity: 0,
    defaultAgent: 'echo',
    chatAgent: 'echo',
    workerConcurrency: 100,
    agents: [],
    anthropicApiKey: undefined,
    anthropicBaseUrl: undefined,
    heartbeatMs: 25_000,
    clientTimeoutMs: 60_000,
    drainMs: 10_000,
    compression: 'off',
    logLevel: 'info',
  });
});

test('an empty or blank variable is unset', () => {
  expect(configOf({ PORT: '', HOST: '  ', REDIS_URL: '', AGENTWIRE_TYPO: '' })).toEqual(configOf({}));
});

test('values are read by their kind', () => {
  const config = configOf({
    PORT: ' 9000 ',
    LOG_LEVEL: 'WARN',
    REDIS_URL: 'rediss://user:pw@redis:6380/2',
    AGENTWIRE_AUTH: 'token',
    AGENTWIRE_TOKENS: 'plain, c2VjcmV0==, t=alice,dG9r==bob,',
    AGENTWIRE_ALLOWED_ORIGINS: 'https://app.example.com,http://localhost:5173',
  });
  expect(config).toMatchObject({
    port: 9000,
    logLevel: 'warn',
    redisUrl: 'rediss://user:pw@redis:6380/2',
    tokens: [
      { token: 'plain' },
      { token: 'c2VjcmV0==' },
      { token: 't', identity: 'alice' },
      { token: 'dG9r=', identity: 'bob' },
    ],
    allowedOrigins: ['https://app.example.com', 'http://localhost:5173'],
  });
});

test('modules are a list, each named once', () => {
  expect(configOf({ AGENTWIRE_AGENTS: ' ./a.js, my-agents,,./a.js' }).agents).toEqual(['./a.js', 'my-agents']);
});

test('whoever has set up a model talks to it, unless somebody else is named', () => {
  const withKey = { ANTHROPIC_API_KEY: 'k' };
  expect(configOf(withKey)).toMatchObject({ defaultAgent: 'claude', chatAgent: 'claude' });
  expect(configOf({ ANTHROPIC_API_KEY: ' ' })).toMatchObject({ defaultAgent: 'echo', chatAgent: 'echo' });
  expect(configOf({ ...withKey, AGENTWIRE_CHAT_AGENT: 'mine' })).toMatchObject({
    defaultAgent: 'claude',
    chatAgent: 'mine',
  });
});

describe('a bad value is a fault that names the variable', () => {
  test.each([
    [{ PORT: '65536' }, 'PORT is not a whole number from 0 to 65535'],
    [{ PORT: '80x' }, 'PORT is not a whole number from 0 to 65535'],
    [{ AGENTWIRE_QUEUE: '0' }, 'AGENTWIRE_QUEUE is not a whole number from 1 to 1000000'],
    [{ AGENTWIRE_QUEUE: '-1' }, 'AGENTWIRE_QUEUE is not a whole number from 1 to 1000000'],
    [{ AGENTWIRE_QUEUE: '1.5' }, 'AGENTWIRE_QUEUE is not a whole number from 1 to 1000000'],
    [{ AGENTWIRE_AUTH: 'magic' }, 'AGENTWIRE_AUTH is not one of none, token'],
    [{ REDIS_URL: 'http://redis' }, 'REDIS_URL is not an address like redis://host:6379'],
    [{ REDIS_URL: 'redis' }, 'REDIS_URL is not an address like redis://host:6379'],
    [
      { AGENTWIRE_ALLOWED_ORIGINS: 'https://a.example/path' },
      'AGENTWIRE_ALLOWED_ORIGINS holds an item that is not an origin like https://app.example.com',
    ],
    [
      { AGENTWIRE_ALLOWED_ORIGINS: 'a.example' },
      'AGENTWIRE_ALLOWED_ORIGINS holds an item that is not an origin like https://app.example.com',
    ],
    [{ AGENTWIRE_TOKENS: 't=a,t=b' }, 'AGENTWIRE_TOKENS holds the same token twice'],
    [{ AGENTWIRE_CHAT_AGENT: 'my agent' }, 'AGENTWIRE_CHAT_AGENT is not 1 to 64 of A-Z a-z 0-9 _ -'],
    [{ ANTHROPIC_BASE_URL: 'localhost:1' }, 'ANTHROPIC_BASE_URL is not an address like https://api.example.com'],
  ])('%j', (env, fault) => {
    expect(faultsOf(env as Env)).toEqual([fault]);
  });
});

describe('rules across options', () => {
  test.each([
    [{ AGENTWIRE_AUTH: 'token' }, 'AGENTWIRE_AUTH is token, but AGENTWIRE_TOKENS names none'],
    [{ AGENTWIRE_TOKENS: 't' }, 'AGENTWIRE_TOKENS needs AGENTWIRE_AUTH=token'],
    [{ AGENTWIRE_HEARTBEAT_MS: '60000' }, 'AGENTWIRE_HEARTBEAT_MS must be below AGENTWIRE_CLIENT_TIMEOUT_MS'],
    [{ AGENTWIRE_MIN_REPLICAS: '1' }, 'AGENTWIRE_MIN_REPLICAS needs REDIS_URL'],
    [{ AGENTWIRE_PROCESSES: '2' }, 'AGENTWIRE_PROCESSES above 1 needs REDIS_URL'],
  ])('%j is refused', (env, fault) => {
    expect(faultsOf(env as Env)).toEqual([fault]);
  });
});

test('a worker alone would never get a run', () => {
  expect(loadConfig({}, 'worker')).toEqual({ ok: false, faults: ['a worker needs REDIS_URL'] });
  expect(loadConfig({ REDIS_URL: 'redis://redis' }, 'worker')).toHaveProperty('config');
  expect(loadConfig({}, 'standalone')).toHaveProperty('config');
});

test('an unknown AGENTWIRE_ name is a fault, with the name that was probably meant', () => {
  expect(faultsOf({ AGENTWIRE_HISTROY_SIZE: '5' })).toEqual([
    'AGENTWIRE_HISTROY_SIZE is not an option; did you mean AGENTWIRE_HISTORY_SIZE?',
  ]);
  expect(faultsOf({ AGENTWIRE_SOMETHING_ELSE: '5' })).toEqual(['AGENTWIRE_SOMETHING_ELSE is not an option']);
});

test('names of others are left alone', () => {
  expect(faultsOf({ PATH: '/bin', OTEL_SERVICE_NAME: 'x', AGENTWIRE_URL: 'http://127.0.0.1:8080' })).toEqual([]);
});

test('all faults are reported at once', () => {
  const faults = faultsOf({ PORT: 'x', LOG_LEVEL: 'loud', AGENTWIRE_QEUE: '1', AGENTWIRE_DRAIN_MS: 'soon' });
  expect(faults.map((fault) => fault.split(' ')[0])).toEqual([
    'AGENTWIRE_QEUE',
    'PORT',
    'AGENTWIRE_DRAIN_MS',
    'LOG_LEVEL',
  ]);
});

test('no fault repeats a value, which may be a secret', () => {
  const faults = faultsOf({
    AGENTWIRE_TOKENS: 'hunter2,hunter2',
    REDIS_URL: 'http://:hunter2@host',
    AGENTWIRE_PASSWORD: 'hunter2',
  });
  expect(faults).toHaveLength(3);
  expect(faults.join()).not.toContain('hunter2');
});
