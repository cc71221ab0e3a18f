import { loads, planOf } from './plan.ts';
import type { Load } from './plan.ts';
import { profiles } from './profiles.ts';
import type { ProfileName } from './profiles.ts';
import { summaryOf, textOf } from './report.ts';
import type { SummaryData } from './report.ts';

export { agentRun } from './agent-run.ts';
export { publisher } from './publisher.ts';
export { subscribers } from './subscribers.ts';

const { PROFILE = '', SCENARIOS = '', SUMMARY = '' } = __ENV;
const name = PROFILE as ProfileName;
const chosen = SCENARIOS === '' ? loads : (SCENARIOS.split(',') as Load[]);

export const options = planOf(name, profiles[name], chosen);

export function handleSummary(data: SummaryData): Record<string, string> {
  const summary = summaryOf(name, chosen, data);
  return { stdout: `\n${textOf(summary)}`, [SUMMARY]: `${JSON.stringify({ summary, k6: data }, null, 2)}\n` };
}
