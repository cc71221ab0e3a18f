import type { Broker } from '../core/broker.ts';
import { perform } from '../core/operations.ts';
import type { HttpRoute } from '../core/transport.ts';
import { callerOf } from './caller.ts';
import { failed, replyTo, text } from './reply.ts';

const welcome = (version: string): string => `Agentwire ${version}

WebSocket   /v1/ws                        (agentwire.v1.json, agentwire.v1.msgpack)
publish     POST /v1/topics/{topic}/publish   {"data": ...}
history     GET  /v1/topics/{topic}/events?after=&limit=
live        GET  /v1/topics/{topic}/events    (Accept: text/event-stream)   GET /v1/stream?topic=&topic=
cluster     GET  /v1/cluster
health      GET  /healthz  /readyz  /metrics

Try:  curl -d '{"data":"hello"}' http://localhost:8080/v1/topics/demo.hello/publish
`;

export function clusterRoutes(broker: Broker): HttpRoute[] {
  return [
    { method: 'GET', path: '/', handle: () => text(200, welcome(broker.version)) },
    {
      method: 'GET',
      path: '/v1/cluster',
      handle: async (request) => {
        const caller = await callerOf(broker, request);
        return caller.ok ? replyTo(await perform(broker, caller.value, 'metrics', {})) : failed(caller);
      },
    },
  ];
}
