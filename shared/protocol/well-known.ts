import * as z from 'zod';
import { count } from './common.ts';
import { proposalId, swarmId } from './swarms.ts';

// What stands on the topics that everybody knows (PROTOCOL, section 6). Maps may hold more than is named here: it is
// passed on as it is. The names of agents, tasks and swarms are segments, and those of the topic.

const id = z.string();
const text = z.string();
/** By the publisher's own clock, as it likes to write it; the event has the cluster's. */
const timestamp = z.union([z.number(), z.string()]).exactOptional();
const something = z.unknown().refine((value) => value !== undefined && value !== null, 'is missing');

export const agentStatus = z.looseObject({ agentId: id, status: text, timestamp });
export const agentHealth = z.looseObject({ agentId: id, healthy: z.boolean(), timestamp });
export const agentMetrics = z.looseObject({ agentId: id, metrics: z.record(text, z.number()), timestamp });
export const agentLog = z.looseObject({ agentId: id, level: text, message: text, timestamp });

export const taskCreated = z.looseObject({ taskId: id });
export const taskAssigned = z.looseObject({ taskId: id });
export const taskProgress = z.looseObject({ taskId: id, progress: z.number().min(0).max(100), status: text });
export const taskCompleted = z.looseObject({ taskId: id });
export const taskFailed = z.looseObject({ taskId: id, error: something });

export const swarmTopology = z.looseObject({ swarmId, oldTopology: z.unknown(), newTopology: something });
export const swarmMembership = z.looseObject({ swarmId, agentId: id, change: z.enum(['joined', 'left']) });
export const swarmCoordination = z.looseObject({ swarmId });

/** By the system only: what a client would see of a vote. `identity` is there where authentication is on. */
export const swarmVote = z.object({
  swarmId,
  proposalId,
  voter: text,
  vote: text,
  identity: text.exactOptional(),
});
export type SwarmVote = z.output<typeof swarmVote>;

/** By the system only, and once for each proposal. */
export const swarmConsensus = z.object({
  swarmId,
  proposalId,
  accepted: z.boolean(),
  tally: z.record(text, count),
  reason: text,
});
export type SwarmConsensus = z.output<typeof swarmConsensus>;

export type AgentStatus = z.output<typeof agentStatus>;
export type AgentHealth = z.output<typeof agentHealth>;
export type AgentMetrics = z.output<typeof agentMetrics>;
export type AgentLog = z.output<typeof agentLog>;
export type TaskCreated = z.output<typeof taskCreated>;
export type TaskAssigned = z.output<typeof taskAssigned>;
export type TaskProgress = z.output<typeof taskProgress>;
export type TaskCompleted = z.output<typeof taskCompleted>;
export type TaskFailed = z.output<typeof taskFailed>;
export type SwarmTopology = z.output<typeof swarmTopology>;
export type SwarmMembership = z.output<typeof swarmMembership>;
export type SwarmCoordination = z.output<typeof swarmCoordination>;

/** What clients may publish, by `<family>.*.<kind>`; any other kind of a family is free. */
export const wellKnown = {
  agent: { status: agentStatus, health: agentHealth, metrics: agentMetrics, logs: agentLog },
  task: {
    created: taskCreated,
    assigned: taskAssigned,
    progress: taskProgress,
    completed: taskCompleted,
    failed: taskFailed,
  },
  swarm: { topology: swarmTopology, membership: swarmMembership, coordination: swarmCoordination },
} as const satisfies Record<string, Record<string, z.ZodType>>;

/** Which field of the payload names what the topic's second segment names. */
export const namedBy = { agent: 'agentId', task: 'taskId', swarm: 'swarmId' } as const;
