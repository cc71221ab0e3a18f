import { pino, stdSerializers } from 'pino';
import type { DestinationStream, Logger } from 'pino';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * What a part of the system needs to speak up. A line costs about a microsecond: one a connection or a failure is
 * fine, one a message is not. An error goes into the field `error`.
 */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log that puts these fields on each of its lines. */
  with(fields: LogFields): Log;
}

/** Tokens are hidden wherever we would put them by habit: as a field, one level down, in headers and in addresses. */
const secret = ['token', 'tokens', 'authorization', 'password', 'apiKey', 'anthropicApiKey'];
const hidden = [...secret, ...secret.map((name) => `*.${name}`), 'headers.authorization', '*.headers.authorization'];

/** JSON lines on standard output, or wherever `to` leads. `fields` is asked for each line that is written. */
export function createLogger(level: LogLevel, base: LogFields, to?: DestinationStream, fields?: () => LogFields): Log {
  const options = {
    level,
    base,
    messageKey: 'message',
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: hidden, censor: '[hidden]' },
    ...(fields ? { mixin: fields } : {}),
    serializers: { error: stdSerializers.err, url: withoutSecrets, redisUrl: withoutSecrets },
  };
  return wrap(pino(options, to ?? standardOutput()));
}

/**
 * Not pino's own: once nobody reads its output any more, that one tries for ever to write what is left, and a process
 * that was told to end hangs (seen one time in six). What nobody reads is lost, and does no harm.
 */
function standardOutput(): DestinationStream {
  if (process.stdout.listenerCount('error') === 0) process.stdout.on('error', () => {});
  return process.stdout;
}

function wrap(logger: Logger): Log {
  return {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
    with: (fields) => wrap(logger.child(fields)),
  };
}

/** A client may bring its token as `?token=`, and a Redis address holds a password before the `@`. */
function withoutSecrets(url: unknown): unknown {
  if (typeof url !== 'string') return url;
  return url.replace(/([?&]token=)[^&#]*/gi, '$1[hidden]').replace(/\/\/[^/@]*@/, '//[hidden]@');
}
