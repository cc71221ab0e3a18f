import type { HttpRequest, HttpRoute, Method, Reply, WebSocketRoute } from '../core/transport.ts';
import type { Fanout } from '../hub/ports.ts';
import {
  App,
  DISABLED,
  LIBUS_LISTEN_EXCLUSIVE_PORT,
  SHARED_COMPRESSOR,
  us_listen_socket_close,
  us_socket_local_port,
} from './adapter.ts';
import type { ListenSocket, NativeRequest, NativeResponse, NativeSocket, TemplatedApp } from './adapter.ts';
import { refuseMethod, serve } from './http.ts';
import type { HttpContext } from './http.ts';
import { Losses } from './losses.ts';
import { upgradeOf } from './upgrade.ts';
import { callbacks } from './web-socket.ts';
import type { UserData } from './web-socket.ts';

/** Over the frame limit by no more than this, a frame still reaches its handler, which can close with 1009; over that uWebSockets.js closes with 1006. */
const frameMargin = 16 * 1024;

export interface ServerOptions {
  host: string;
  /** 0: any that is free. */
  port: number;
  /** Other processes may listen on the same port, and the kernel spreads the connections. */
  reusePort?: boolean;
  /** Of a WebSocket message, and of an HTTP body. */
  maxFrameBytes: number;
  /** Bytes that may wait in a WebSocket before sends are refused and messages of topics are lost. */
  maxBackpressure: number;
  webSockets: readonly WebSocketRoute[];
  http: readonly HttpRoute[];
  notFound(request: HttpRequest): Reply;
  /** Something of ours threw. What it was serving has been answered or closed. */
  onFault(error: unknown): void;
}

export interface Server {
  readonly fanout: Fanout;
  /** Gives back the port; rejects where it cannot be had. */
  listen(): Promise<number>;
  /** Requests over HTTP that have no answer yet, nor a stream. */
  unanswered(): number;
  /** From now on each HTTP connection ends with its next answer, so that nobody keeps it for a request to come. */
  endConnections(): void;
  /** Lets go of the port: nobody can connect. Those that are connected are served. */
  stopListening(): void;
  /** Cuts every connection, after telling the links and streams. May be called again. */
  close(): void;
}

type NativeHandler = (response: NativeResponse, request: NativeRequest) => void;

export function createServer(options: ServerOptions): Server {
  const app = App();
  const losses = new Losses();
  const onFault = (error: unknown): void => options.onFault(error);
  for (const route of options.webSockets) addWebSocket(app, route, options, losses, onFault);
  const http = { maxBodyBytes: options.maxFrameBytes, onFault, unanswered: 0, ending: false };
  addHttp(app, options, http);
  let listening: ListenSocket | undefined;
  let closed = false;
  const stopListening = (): void => {
    if (listening) us_listen_socket_close(listening);
    listening = undefined;
  };

  return {
    fanout: {
      publish(nativeTopic, frame, binary) {
        // On a closed app this would end the process.
        if (closed) return;
        losses.published(frame);
        losses.enter();
        // Compressed only for sockets that have negotiated it.
        app.publish(nativeTopic, frame, binary, true);
        losses.leave();
      },
    },
    listen: () =>
      new Promise((resolve, reject) => {
        const { host, port } = options;
        const done = (socket: ListenSocket | false): void => {
          if (!socket) {
            reject(
              new Error(`cannot listen on ${host}:${port}: the port is taken, or the address is not of this machine`),
            );
            return;
          }
          listening = socket;
          resolve(us_socket_local_port(socket as NativeSocket));
        };
        if (!options.reusePort) listenAlone(app, host, port, done);
        else if (port > 0) app.listen(host, port, done);
        else listenOnFreePort(app, host, done);
      }),
    unanswered: () => http.unanswered,
    endConnections() {
      http.ending = true;
    },
    stopListening() {
      // The kernel resets whom nobody has accepted yet. Right after a look at the sockets these are the fewest: in a timer
      // it was 28 of 60 connections once, with their requests.
      setImmediate(stopListening);
    },
    close() {
      if (closed) return;
      closed = true;
      stopListening();
      app.close();
    },
  };
}

function addWebSocket(
  app: TemplatedApp,
  route: WebSocketRoute,
  options: ServerOptions,
  losses: Losses,
  onFault: (error: unknown) => void,
): void {
  const compress = route.compression === 'when-offered';
  const { maxFrameBytes, maxBackpressure } = options;
  app.ws<UserData>(route.path, {
    ...callbacks,
    upgrade: upgradeOf(route, { losses, maxBackpressure, compress, onFault }),
    // Bounds what a compressed message unfolds to, as well.
    maxPayloadLength: maxFrameBytes + frameMargin,
    maxBackpressure,
    closeOnBackpressureLimit: false,
    compression: compress ? SHARED_COMPRESSOR : DISABLED,
    // Heartbeats are the core's, by one timer for all: these here know steps of 4 s only, and no close code.
    idleTimeout: 0,
    sendPingsAutomatically: false,
  });
}

function addHttp(app: TemplatedApp, options: ServerOptions, context: HttpContext): void {
  const add: Record<Method, (path: string, handler: NativeHandler) => void> = {
    GET: (path, handler) => app.get(path, handler),
    POST: (path, handler) => app.post(path, handler),
    PUT: (path, handler) => app.put(path, handler),
    PATCH: (path, handler) => app.patch(path, handler),
    DELETE: (path, handler) => app.del(path, handler),
  };
  const methods = new Map<string, Method[]>();
  for (const route of options.http) {
    add[route.method](route.path, serve(context, route));
    if (route.method === 'GET') app.head(route.path, serve(context, route));
    methods.set(route.path, [...(methods.get(route.path) ?? []), route.method]);
  }
  for (const [path, allowed] of methods) {
    app.any(path, serve(context, { method: 'GET', path, handle: refuseMethod(allowed) }));
  }
  app.any('/*', serve(context, { method: 'GET', path: '/*', handle: (request) => options.notFound(request) }));
}

/** With port 0 uWebSockets.js does not share (measured): so one is found first, and let go just before it is taken. */
function listenOnFreePort(app: TemplatedApp, host: string, done: (socket: ListenSocket | false) => void): void {
  listenAlone(app, host, 0, (found) => {
    if (!found) {
      done(found);
      return;
    }
    const port = us_socket_local_port(found as NativeSocket);
    us_listen_socket_close(found);
    app.listen(host, port, done);
  });
}

/** The form with an address and options, which the package's types leave out. */
function listenAlone(
  app: TemplatedApp,
  host: string,
  port: number,
  done: (socket: ListenSocket | false) => void,
): void {
  type Listen = (host: string, port: number, options: number, done: (socket: ListenSocket | false) => void) => void;
  (app.listen as unknown as Listen).call(app, host, port, LIBUS_LISTEN_EXCLUSIVE_PORT, done);
}
