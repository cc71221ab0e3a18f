import { ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import type { Broker } from '../broker.ts';
import type { Caller } from '../caller.ts';

/** The node's figures and the cluster's: what every node and worker announced last, and the runs that wait for one. */
export async function metrics(
  broker: Broker,
  _caller: Caller,
  _input: object,
): Promise<Result<Record<string, unknown>>> {
  const [nodes, workers, queue] = await Promise.all([
    broker.nodes.list(),
    broker.agents.workers(),
    broker.engine.queue('runs').counts(),
  ]);
  if (!nodes.ok) return nodes;
  if (!workers.ok) return workers;
  if (!queue.ok) return queue;
  const sum = (field: 'connections' | 'subscriptions' | 'eventsPublished' | 'eventsDelivered'): number =>
    nodes.value.reduce((total, node) => total + node[field], 0);
  return ok({
    node: { node: broker.node, ...broker.metrics.stats },
    cluster: {
      nodes: nodes.value,
      workers: workers.value,
      queue: queue.value,
      connections: sum('connections'),
      subscriptions: sum('subscriptions'),
      eventsPublished: sum('eventsPublished'),
      eventsDelivered: sum('eventsDelivered'),
    },
  });
}
