import * as z from 'zod';
import { envelope } from './common.ts';

export const metricsRequest = z.object({ type: z.literal('metrics'), ...envelope });
export type MetricsRequest = z.output<typeof metricsRequest>;

/** Figures by name. Which ones there are is not frozen: a reader takes what it knows. */
export const metricsResult = z.record(z.string(), z.unknown());
export type MetricsResult = z.output<typeof metricsResult>;
