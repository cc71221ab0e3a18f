import type { Config } from '../../../shared/config/options.ts';
import type { Agent } from '../agent.ts';
import { approval } from './approval.ts';
import { claude } from './claude/claude.ts';
import { countdown } from './countdown.ts';
import { echo } from './echo.ts';
import { fail } from './fail.ts';

/** Those that every build has. */
export function builtInAgents(config: Pick<Config, 'anthropicApiKey' | 'anthropicBaseUrl'>): readonly Agent[] {
  const { anthropicApiKey: apiKey, anthropicBaseUrl: baseUrl } = config;
  return [echo, countdown, approval, fail, claude({ apiKey, baseUrl })];
}
