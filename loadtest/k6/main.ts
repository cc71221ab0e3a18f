import { agentRun as runAgent } from './agent-run.ts';
import { toItsEnd } from './measures.ts';
import { loads, planOf } from './plan.ts';
import type { Load } from './plan.ts';
import { profiles } from './profiles.ts';
import type { ProfileName } from './profiles.ts';
import { publisher as publish } from './publisher.ts';
import { summaryOf, textOf } from './report.ts';
import type { SummaryData } from './report.ts';
import { subscribers as subscribe } from './subscribers.ts';

const { PROFILE = '', SCENARIOS = '', SUMMARY = '' } = __ENV;
const name = PROFILE as ProfileName;
const chosen = SCENARIOS === '' ? loads : (SCENARIOS.split(',') as Load[]);

export const options = planOf(name, profiles[name], chosen);

export const agentRun = (): Promise<void> => toItsEnd(runAgent);
export const publisher = (): Promise<void> => toItsEnd(publish);
export const subscribers = (): Promise<void> => toItsEnd(subscribe);

export function handleSummary(data: SummaryData): Record<string, string> {
  const summary = summaryOf(name, chosen, data);
  return { stdout: `\n${textOf(summary)}`, [SUMMARY]: `${JSON.stringify({ summary, k6: data }, null, 2)}\n` };
}
