import type { Broker } from '../core/broker.ts';
import type { HttpRoute } from '../core/transport.ts';
import { text } from './reply.ts';
import { answering, path } from './requests.ts';

const welcome = (version: string): string => `Agentwire ${version}

WebSocket   /v1/ws                        (agentwire.v1.json, agentwire.v1.msgpack)
publish     POST /v1/topics/{topic}/publish   {"data": ...}
history     GET  /v1/topics/{topic}/events?after=&limit=
live        GET  /v1/topics/{topic}/events    (Accept: text/event-stream)   GET /v1/stream?topic=&topic=
runs        POST /v1/runs   {"agent": ..., "input": ...}      GET /v1/runs?session=&state=&limit=&cursor=
a run       GET  /v1/runs/{id}   GET /v1/runs/{id}/events (live)   POST /v1/runs/{id}/cancel|pause|resume|approve
sessions    POST /v1/sessions   GET /v1/sessions/{id}   GET /v1/sessions/{id}/messages
cluster     GET  /v1/cluster
health      GET  /healthz  /readyz  /metrics

Try:  curl -d '{"data":"hello"}' http://localhost:8080/v1/topics/demo.hello/publish
      curl -d '{"agent":"echo","input":"hello"}' http://localhost:8080/v1/runs
`;

export function clusterRoutes(broker: Broker): HttpRoute[] {
  return [
    { method: 'GET', path: '/', handle: () => text(200, welcome(broker.version)) },
    { method: 'GET', path: '/v1/cluster', handle: answering(broker, 'metrics', path) },
  ];
}
