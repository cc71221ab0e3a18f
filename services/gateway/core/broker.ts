import type { Clock } from '../../../shared/base/clock.ts';
import type { Config } from '../../../shared/config/options.ts';
import type { Agents } from '../../../shared/domain/agents.ts';
import type { Authenticator } from '../../../shared/domain/auth.ts';
import type { Checkpoints } from '../../../shared/domain/checkpoints/checkpoints.ts';
import type { Nodes } from '../../../shared/domain/nodes.ts';
import type { Runs } from '../../../shared/domain/runs/runs.ts';
import type { Sessions } from '../../../shared/domain/sessions/sessions.ts';
import type { Swarms } from '../../../shared/domain/swarms/swarms.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import type { GatewayMetrics } from '../../../shared/observe/metrics.ts';
import type { Log } from '../../../shared/observe/log.ts';
import type { Tracing } from '../../../shared/observe/tracing.ts';
import type { Hub } from '../hub/hub.ts';
import type { Answers } from './answers.ts';
import type { Middleware } from './middleware.ts';
import type { Notices } from './notices.ts';
import type { Turns } from './turns.ts';
import type { VisualFeed } from './visual-feed.ts';
import type { Whereabouts } from './whereabouts.ts';

/** What the operations of one gateway work with. */
export interface Broker {
  readonly node: string;
  readonly version: string;
  readonly config: Config;
  readonly clock: Clock;
  readonly engine: Engine;
  readonly hub: Hub;
  readonly nodes: Nodes;
  readonly runs: Runs;
  readonly sessions: Sessions;
  readonly checkpoints: Checkpoints;
  readonly swarms: Swarms;
  readonly agents: Agents;
  readonly auth: Authenticator;
  readonly metrics: GatewayMetrics;
  readonly log: Log;
  /** Where spans are asked for, and only there. */
  readonly tracing: Tracing | undefined;
  readonly middleware: readonly Middleware[];
  readonly answers: Answers;
  readonly notices: Notices;
  readonly turns: Turns;
  readonly visuals: VisualFeed;
  readonly whereabouts: Whereabouts;
  /** Whoever asked: a drain lets them end. */
  readonly underWay: { operations: number };
}
