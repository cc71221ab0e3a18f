import type { MetricsSnapshot } from '../../../shared/observe/merge-metrics.ts';

/** What /readyz and /metrics ask of all processes that share a port. */
export type Question = 'status' | 'metrics';

/** From one of the processes to their parent. */
export type FromChild =
  | { kind: 'listening'; port: number }
  /** For a client that asked this process: what do all of them say? */
  | { kind: 'ask'; id: number; question: Question }
  | { kind: 'told'; id: number; status: string; snapshot?: MetricsSnapshot };

export type FromParent =
  | { kind: 'tell'; id: number; question: Question }
  /** The status of all, or their metrics put together. */
  | { kind: 'answer'; id: number; text: string };
