import { ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import type { Broker } from '../broker.ts';
import type { Caller } from '../caller.ts';

/** The node's figures and the cluster's, as every node announced them last. */
export async function metrics(
  broker: Broker,
  _caller: Caller,
  _input: object,
): Promise<Result<Record<string, unknown>>> {
  const nodes = await broker.nodes.list();
  if (!nodes.ok) return nodes;
  const sum = (field: 'connections' | 'subscriptions' | 'eventsPublished' | 'eventsDelivered'): number =>
    nodes.value.reduce((total, node) => total + node[field], 0);
  return ok({
    node: { node: broker.node, ...broker.metrics.stats },
    cluster: {
      nodes: nodes.value,
      connections: sum('connections'),
      subscriptions: sum('subscriptions'),
      eventsPublished: sum('eventsPublished'),
      eventsDelivered: sum('eventsDelivered'),
    },
  });
}
