import type { Result } from '../../../shared/base/errors.ts';
import type { MetricsSnapshot } from '../../../shared/observe/merge-metrics.ts';

/** What is told to load balancers and Prometheus. */
export interface Health {
  /** `ready`, or in words why not. */
  status(): string | Promise<string>;
  metrics(): Promise<Result<string>>;
}

/** The same of this process alone, and what it gives to be put together with others. */
export interface OwnHealth extends Health {
  status(): string;
  snapshot(): Promise<MetricsSnapshot>;
}
