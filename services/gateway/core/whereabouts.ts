import type { Clock } from '../../../shared/base/clock.ts';
import { AgentStatuses } from '../../../shared/domain/agent-status.ts';
import type { Nodes } from '../../../shared/domain/nodes.ts';
import { Presence } from '../../../shared/domain/presence/presence.ts';
import { Remains } from '../../../shared/domain/remains.ts';
import type { Engine } from '../../../shared/engine/engine.ts';

export interface WhereaboutsParts {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly nodes: Nodes;
  readonly node: string;
  readonly config: { readonly metaTtlS: number };
}

/** What the cluster is to know of who is connected here, and to put in order when they, or all of this node, are gone. */
export class Whereabouts {
  readonly presence: Presence;
  readonly statuses: AgentStatuses;
  readonly #remains: Remains;

  constructor({ engine, clock, nodes, node, config }: WhereaboutsParts) {
    const remains = new Remains({ leases: engine.leases, clock, nodes, node });
    this.presence = new Presence({ engine, clock, remains });
    this.statuses = new AgentStatuses({ engine, clock, nodes, remains, node, metaTtlMs: config.metaTtlS * 1000 });
    this.#remains = remains;
  }

  /** When the node is among those that are alive. */
  start(): void {
    this.presence.start();
    this.statuses.start();
    this.#remains.start({
      topic: (topic) => this.presence.reap(topic),
      agent: (agent, node) => this.statuses.inherit(agent, node),
    });
  }

  /** While it still is. What cannot be told in time is for the others. */
  async stop(): Promise<void> {
    await Promise.all([this.presence.stop(), this.statuses.stop()]);
    await this.#remains.stop();
  }

  gone(connection: string): void {
    this.presence.gone(connection);
    this.statuses.gone(connection);
  }
}
