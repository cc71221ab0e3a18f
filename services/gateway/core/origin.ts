import type { Config } from '../../../shared/config/options.ts';
import type { Request } from './transport.ts';

/** Only browsers send an origin, and only pages in browsers have to be kept out by it: of sockets, and of plain posts. */
export function originWelcome(config: Config, request: Request): boolean {
  const origin = request.header('origin');
  return origin === '' || config.allowedOrigins.length === 0 || config.allowedOrigins.includes(origin);
}
