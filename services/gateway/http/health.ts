import type { Broker } from '../core/broker.ts';
import type { HttpRoute } from '../core/transport.ts';
import { json, text } from './reply.ts';

/** For load balancers and Prometheus. `draining`: the node wants no new clients, though it lives and its store is there. */
export function healthRoutes(broker: Broker, draining: () => boolean): HttpRoute[] {
  return [
    { method: 'GET', path: '/healthz', handle: () => json(200, { status: 'alive', node: broker.node }) },
    {
      method: 'GET',
      path: '/readyz',
      handle: () => {
        const status = draining() ? 'draining' : broker.engine.ready() ? 'ready' : 'store unavailable';
        return json(status === 'ready' ? 200 : 503, { status, node: broker.node });
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      handle: async () => text(200, await broker.metrics.render(), broker.metrics.contentType),
    },
  ];
}
