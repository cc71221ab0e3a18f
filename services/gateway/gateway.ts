import { fail } from '../../shared/base/errors.ts';
import type { Result } from '../../shared/base/errors.ts';
import { realClock } from '../../shared/base/clock.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { shortId } from '../../shared/base/ids.ts';
import type { Service } from '../../shared/base/lifecycle.ts';
import type { Config } from '../../shared/config/options.ts';
import { Agents } from '../../shared/domain/agents.ts';
import { openDoor, tokenAuthenticator } from '../../shared/domain/auth.ts';
import { anyone } from '../../shared/domain/identity.ts';
import { Nodes } from '../../shared/domain/nodes.ts';
import { runParts } from '../../shared/domain/runs/parts.ts';
import { Runs } from '../../shared/domain/runs/runs.ts';
import { Swarms } from '../../shared/domain/swarms/swarms.ts';
import type { Engine } from '../../shared/engine/engine.ts';
import type { MetricsPage } from '../../shared/observe/metrics-page.ts';
import { GatewayMetrics } from '../../shared/observe/metrics.ts';
import type { Log } from '../../shared/observe/log.ts';
import type { Tracing } from '../../shared/observe/tracing.ts';
import { StoreWatch } from '../../shared/observe/store-watch.ts';
import { Answers } from './core/answers.ts';
import type { Broker } from './core/broker.ts';
import { Connections } from './core/connections.ts';
import { drain } from './core/drain.ts';
import type { Health, OwnHealth } from './core/health.ts';
import { measured, requireIdentity } from './core/middleware.ts';
import type { Middleware } from './core/middleware.ts';
import { Notices } from './core/notices.ts';
import { operations, performUntraced } from './core/operations.ts';
import { goesOn } from './core/run-entries.ts';
import { Turns } from './core/turns.ts';
import { webSocketRoute } from './core/upgrade.ts';
import { VisualFeed } from './core/visual-feed.ts';
import { Whereabouts } from './core/whereabouts.ts';
import { dialects } from './dialects/list.ts';
import { checkpointRoutes } from './http/checkpoints.ts';
import { clusterRoutes } from './http/cluster.ts';
import { dialectRequests } from './http/dialect-requests.ts';
import { dialectStreams } from './http/dialect-streams.ts';
import { healthRoutes, ownHealth } from './http/health.ts';
import { operatorRoutes } from './http/operator.ts';
import { failed } from './http/reply.ts';
import { runRoutes } from './http/runs.ts';
import { sessionRoutes } from './http/sessions.ts';
import { sseDialect } from './http/sse-stream.ts';
import { streamRoutes } from './http/sse.ts';
import { swarmRoutes } from './http/swarms.ts';
import { topicRoutes } from './http/topics.ts';
import { Hub } from './hub/hub.ts';
import { tracedDeliveries } from './hub/traced-deliveries.ts';
import { createServer } from './uws/server.ts';
import type { Server } from './uws/server.ts';

/** Bytes that may wait in a socket. Events stop at half of it, so that answers still find room. */
const maxBackpressure = 64 * 1024;

export interface GatewayParts {
  readonly config: Config;
  readonly engine: Engine;
  readonly log: Log;
  readonly version: string;
  readonly tracing?: Tracing | undefined;
  readonly clock?: Clock;
  /** Checks of the host's own: they run after ours, around every operation of every client. */
  readonly middleware?: readonly Middleware[];
  /** Where other processes share the port: makes what all of them say together from what this one says. */
  readonly health?: ((own: OwnHealth) => Health) | undefined;
}

/** A gateway that serves on one port. The engine is started and stopped by whoever made it. */
export class Gateway implements Service {
  readonly name = 'gateway';
  readonly #broker: Broker;
  readonly #connections: Connections;
  readonly #server: Server;
  readonly #storeWatch: StoreWatch;
  #draining = false;
  /** Where it listens, once it does. */
  port = 0;

  constructor(parts: GatewayParts) {
    const { config, engine, log, version, tracing, clock = realClock } = parts;
    const node = shortId();
    const startedAt = clock.now();
    const metrics = new GatewayMetrics(version, engine, {
      dialects: [...dialects.map((dialect) => dialect.name), sseDialect],
      requests: Object.keys(operations),
    });
    const { stats } = metrics;
    const ofRuns = runParts({ engine, clock, config });
    const hub = new Hub({
      log: engine.log,
      clock,
      fanout: { publish: (topic, frame, binary) => this.#server.fanout.publish(topic, frame, binary) },
      formats: dialects.flatMap((dialect) => dialect.formats),
      defer: (work) => setImmediate(work),
      goesOn: (topic) => goesOn(ofRuns.store, topic),
      maxLag: config.queue,
      highWater: maxBackpressure / 2,
      stats,
      delivered: tracing && tracedDeliveries(tracing),
    });
    this.#storeWatch = new StoreWatch(metrics, clock, () => engine.queue('runs').counts());
    const nodes = new Nodes(engine.leases, clock, () => {
      const { connections, subscriptions, eventsPublished, eventsDelivered } = stats;
      return { node, startedAt, connections, subscriptions, eventsPublished, eventsDelivered };
    });
    const agents = new Agents(engine.leases, clock);
    const auth = config.auth === 'token' ? tokenAuthenticator(config.tokens) : openDoor;
    const middleware = [measured(metrics), requireIdentity, ...(parts.middleware ?? [])];
    const named = log.with({ node });
    const notices = new Notices(hub, named);
    const figures = (): Promise<Result<object>> => performUntraced(this.#broker, { identity: anyone }, 'metrics', {});
    this.#broker = {
      node,
      version,
      config,
      clock,
      engine,
      hub,
      nodes,
      runs: new Runs({ ...ofRuns, engine, agents, clock, options: config }),
      sessions: ofRuns.sessions,
      checkpoints: ofRuns.checkpoints,
      swarms: new Swarms({ engine, clock, options: config }),
      agents,
      auth,
      metrics,
      log: named,
      tracing,
      middleware,
      answers: new Answers(),
      notices,
      turns: new Turns(),
      visuals: new VisualFeed({ hub, notices, clock, figures }),
      whereabouts: new Whereabouts({ engine, clock, nodes, node, config }),
      underWay: { operations: 0 },
    };
    this.#connections = new Connections(clock, config);
    this.#server = this.#createServer(parts.health);
  }

  /** Services in the same process show theirs there, too. */
  get metrics(): MetricsPage {
    return this.#broker.metrics;
  }

  async start(): Promise<void> {
    const { hub, nodes, whereabouts, log } = this.#broker;
    // Before anybody can come in: what a node does that is not among the living is undone by the others.
    await nodes.start();
    whereabouts.start();
    this.port = await this.#server.listen();
    hub.start();
    this.#connections.start();
    this.#storeWatch.start();
    log.info('listening', { port: this.port });
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true;
    this.#broker.metrics.draining = true;
    this.#broker.log.info('draining', { connections: this.#connections.size });
    const { clock, underWay, config } = this.#broker;
    this.#server.endConnections();
    await drain({
      connections: this.#connections,
      underWay,
      unanswered: () => this.#server.unanswered(),
      letNobodyIn: () => this.#server.stopListening(),
      clock,
      deadlineMs,
      elsewhere: config.redisUrl !== undefined,
    });
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#connections.stop();
    await this.#broker.whereabouts.stop();
    this.#storeWatch.stop();
    this.#broker.hub.stop();
    this.#broker.metrics.stop();
    await this.#broker.nodes.stop();
  }

  #createServer(together: GatewayParts['health']): Server {
    const broker = this.#broker;
    const { config, log } = broker;
    const draining = (): boolean => this.#draining;
    const own = ownHealth(broker, draining);
    const door = { broker, connections: this.#connections, draining };
    return createServer({
      host: config.host,
      port: config.port,
      reusePort: config.processes > 1,
      maxFrameBytes: config.maxFrameBytes,
      maxBackpressure,
      webSockets: dialects.flatMap((dialect) => dialect.paths.map((path) => webSocketRoute(door, path, dialect))),
      http: [
        ...topicRoutes(door),
        ...streamRoutes(door),
        ...runRoutes(door),
        ...sessionRoutes(broker),
        ...checkpointRoutes(broker),
        ...swarmRoutes(broker),
        ...operatorRoutes(broker),
        ...dialects.flatMap((dialect) => [...dialectStreams(door, dialect), ...dialectRequests(broker, dialect)]),
        ...healthRoutes(broker, together?.(own) ?? own),
        ...clusterRoutes(broker),
      ],
      notFound: () => failed(fail('not_found', 'no such route')),
      onFault: (error) => log.error('a fault at the edge', { error }),
    });
  }
}
