import { ok } from '../../../shared/base/errors.ts';
import type { Broker } from '../core/broker.ts';
import type { Health, OwnHealth } from '../core/health.ts';
import type { HttpRoute } from '../core/transport.ts';
import { failed, json, text } from './reply.ts';

/** `draining`: the node wants no new clients, though it lives and its store is there. */
export function ownHealth({ engine, metrics }: Broker, draining: () => boolean): OwnHealth {
  return {
    status: () => (draining() ? 'draining' : engine.ready() ? 'ready' : 'store unavailable'),
    metrics: async () => ok(await metrics.render()),
    snapshot: () => metrics.snapshot(),
  };
}

export function healthRoutes(broker: Broker, health: Health): HttpRoute[] {
  const { node, metrics } = broker;
  return [
    { method: 'GET', path: '/healthz', handle: () => json(200, { status: 'alive', node }) },
    {
      method: 'GET',
      path: '/readyz',
      handle: async () => {
        const status = await health.status();
        return json(status === 'ready' ? 200 : 503, { status, node });
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      handle: async () => {
        const rendered = await health.metrics();
        return rendered.ok ? text(200, rendered.value, metrics.contentType) : failed(rendered);
      },
    },
  ];
}
