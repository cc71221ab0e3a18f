import { realClock } from '../../base/clock.ts';
import type { PublishResult } from '../../protocol/publish.ts';
import type { AgentHealth, AgentLog, AgentMetrics, AgentStatus } from '../../protocol/well-known.ts';
import type { AgentwireClient } from '../client.ts';
import { ChannelClient, ChannelServer, present } from './channel.ts';
import type { ChannelOptions, Followed } from './channel.ts';
import type { Heard } from './held-back.ts';
import { OwnStatuses } from './own-statuses.ts';

export interface AgentEvents {
  'status-change': AgentStatus;
  'health-update': AgentHealth;
  'metrics-update': AgentMetrics;
  'log-entry': AgentLog;
}

const family = 'agent';
const names: ReadonlyMap<string, keyof AgentEvents> = new Map([
  ['status', 'status-change'],
  ['health', 'health-update'],
  ['metrics', 'metrics-update'],
  ['logs', 'log-entry'],
]);

/** What agents tell of themselves. docs/channels.md says what each call promises. */
export class AgentChannelClient extends ChannelClient<AgentEvents> {
  readonly #own: OwnStatuses;

  constructor(client: AgentwireClient, options: ChannelOptions = {}) {
    super(client, family, options);
    const publish = (event: AgentStatus, messageId: string): Promise<PublishResult> =>
      this.publish(event.agentId, 'status', event, { messageId });
    this.#own = new OwnStatuses(client, publish, this.clock);
  }

  override close(): void {
    super.close();
    this.#own.end();
  }

  /** How the agent stands comes first, if it was ever told. */
  subscribeToAgent(agentId: string): Promise<void> {
    return this.followOne(agentId);
  }

  unsubscribeFromAgent(agentId: string): Promise<void> {
    this.unfollow(agentId);
    return Promise.resolve();
  }

  getSubscribedAgents(): string[] {
    return this.followedIds();
  }

  /**
   * While this client is connected it answers for the agent: when it is gone, the broker says `offline`, and when it is
   * back, it says the last status again, unless somebody else has spoken for the agent since.
   */
  reportStatus(event: AgentStatus): Promise<PublishResult> {
    return this.#own.report(event);
  }

  reportHealth(event: AgentHealth): Promise<PublishResult> {
    return this.publish(event.agentId, 'health', event);
  }

  reportMetrics(event: AgentMetrics): Promise<PublishResult> {
    return this.publish(event.agentId, 'metrics', event);
  }

  log(event: AgentLog): Promise<PublishResult> {
    return this.publish(event.agentId, 'logs', event);
  }

  /** The ancestor's name for `log`. */
  sendLog(event: AgentLog): Promise<PublishResult> {
    return this.log(event);
  }

  protected topicsOf(id: string): Followed[] {
    const of = `${family}.${id}`;
    return [[`${of}.status`, present], [`${of}.health`, present], [`${of}.metrics`], [`${of}.logs`]];
  }

  protected heard({ kind, id, data }: Heard): void {
    const name = names.get(kind);
    if (name) this.tell(name, id, data);
  }
}

/**
 * For a publisher that reports for agents. While its client is connected it answers for them, as they would themselves,
 * until they do so themselves.
 */
export class AgentChannelServer extends ChannelServer {
  readonly #own: OwnStatuses;

  constructor(client: AgentwireClient, { clock = realClock }: ChannelOptions = {}) {
    super(client, family);
    const publish = (event: AgentStatus, messageId: string): Promise<PublishResult> =>
      this.publish(event.agentId, 'status', event, { messageId });
    this.#own = new OwnStatuses(client, publish, clock);
  }

  /** Says nothing again when the client comes back. The client goes on. */
  close(): void {
    this.#own.end();
  }

  publishStatusChange(event: AgentStatus): Promise<PublishResult> {
    return this.#own.report(event);
  }

  publishHealthUpdate(event: AgentHealth): Promise<PublishResult> {
    return this.publish(event.agentId, 'health', event);
  }

  publishMetrics(event: AgentMetrics): Promise<PublishResult> {
    return this.publish(event.agentId, 'metrics', event);
  }

  publishLog(event: AgentLog): Promise<PublishResult> {
    return this.publish(event.agentId, 'logs', event);
  }

  publishAgentStarted(agentId: string, metadata: Record<string, unknown> = {}): Promise<PublishResult> {
    return this.publishStatusChange({ agentId, status: 'idle', metadata: { ...metadata, event: 'started' } });
  }

  publishAgentStopped(agentId: string, reason?: string): Promise<PublishResult> {
    const metadata = { event: 'stopped', ...(reason === undefined ? {} : { reason }) };
    return this.publishStatusChange({ agentId, status: 'offline', metadata });
  }

  publishAgentError(agentId: string, error: Error, context: Record<string, unknown> = {}): Promise<PublishResult> {
    const metadata = { event: 'error', error: error.message, ...context };
    return this.publishStatusChange({ agentId, status: 'error', metadata });
  }
}
