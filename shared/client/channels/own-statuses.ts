import type { AgentStatus } from '../../protocol/well-known.ts';
import type { AgentwireClient } from '../client.ts';

/**
 * How the agents stand that a client reports for. The broker says `offline` for them when the connection is lost, so the
 * last status of each is said again when the client is back.
 */
export class OwnStatuses {
  readonly #last = new Map<string, AgentStatus>();
  /** No more of that. */
  readonly end: () => void;

  constructor(client: AgentwireClient, report: (event: AgentStatus) => Promise<unknown>) {
    this.end = client.on('connected', ({ again }) => {
      if (!again) return;
      // One that is lost is said at the next reconnect, or by the agent's next report.
      for (const event of this.#last.values()) report(event).catch(() => {});
    });
  }

  reported(event: AgentStatus): void {
    if (event.status === 'offline') this.#last.delete(event.agentId);
    else this.#last.set(event.agentId, event);
  }
}
