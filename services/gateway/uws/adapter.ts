/**
 * The only import of uWebSockets.js. Its package declares constants as types only, and `listen` without the form that
 * takes a host and options, so what is used of those is declared here.
 */
import * as uws from 'uWebSockets.js';

export { App, us_listen_socket_close, us_socket_local_port } from 'uWebSockets.js';
export type {
  HttpRequest as NativeRequest,
  HttpResponse as NativeResponse,
  TemplatedApp,
  us_listen_socket as ListenSocket,
  us_socket as NativeSocket,
  us_socket_context_t as UpgradeContext,
  WebSocket,
  WebSocketBehavior,
} from 'uWebSockets.js';

const constants = uws as unknown as Record<'DISABLED' | 'SHARED_COMPRESSOR' | 'LIBUS_LISTEN_EXCLUSIVE_PORT', number>;

export const { DISABLED, SHARED_COMPRESSOR, LIBUS_LISTEN_EXCLUSIVE_PORT } = constants;
