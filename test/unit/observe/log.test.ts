import { expect, test } from 'vitest';
import { createLogger } from '../../../shared/observe/log.ts';
import type { Log, LogLevel } from '../../../shared/observe/log.ts';

function recorded(level: LogLevel = 'debug'): { log: Log; lines: Record<string, unknown>[]; text: () => string } {
  const raw: string[] = [];
  const lines: Record<string, unknown>[] = [];
  const to = {
    write(line: string): void {
      raw.push(line);
      lines.push(JSON.parse(line) as Record<string, unknown>);
    },
  };
  return { log: createLogger(level, { service: 'gateway' }, to), lines, text: () => raw.join('') };
}

test('a line is JSON with its time, level, message, base and fields', () => {
  const { log, lines } = recorded();
  log.info('listening', { port: 8080 });
  expect(lines).toEqual([
    { level: 'info', time: expect.stringMatching(/^\d{4}-.*Z$/), service: 'gateway', port: 8080, message: 'listening' },
  ]);
});

test('lines below the level are left out', () => {
  const { log, lines } = recorded('warn');
  log.debug('a');
  log.info('b');
  log.warn('c');
  log.error('d');
  expect(lines.map((line) => line['message'])).toEqual(['c', 'd']);
});

test('a child carries its fields', () => {
  const { log, lines } = recorded();
  log.with({ connection: 'c1' }).warn('slow', { lag: 3 });
  expect(lines[0]).toMatchObject({ connection: 'c1', lag: 3, service: 'gateway' });
});

test('an error keeps its message and its stack', () => {
  const { log, lines } = recorded();
  log.error('failed', { error: new TypeError('no such thing') });
  const stack = expect.stringContaining('log.test.ts') as string;
  expect(lines[0]).toMatchObject({ error: { type: 'TypeError', message: 'no such thing', stack } });
});

test('a token is never written, wherever it stands', () => {
  const { log, text } = recorded();
  log.with({ token: 'hunter2' }).info('hello', { url: '/v1/ws?x=1&token=hunter2&y=2' });
  log.info('frame', { frame: { type: 'hello', token: 'hunter2' }, config: { tokens: ['hunter2'] } });
  log.info('request', { request: { headers: { authorization: 'Bearer hunter2' } } });
  log.info('store', { redisUrl: 'redis://user:hunter2@redis:6379/1' });
  expect(text()).not.toContain('hunter2');
  expect(text()).toContain('/v1/ws?x=1&token=[hidden]&y=2');
  expect(text()).toContain('redis://[hidden]@redis:6379/1');
});
