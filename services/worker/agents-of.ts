import type { Config, ServiceName } from '../../shared/config/options.ts';
import type { Log } from '../../shared/observe/log.ts';
import { refuse } from '../process/process.ts';
import type { Agent } from './agent.ts';
import { builtInAgents } from './agents/list.ts';
import { loadAgents } from './load-agents.ts';

/** The agents of this process, or the end of it: all that is wrong with their modules is named at once. */
export async function agentsOf(
  service: ServiceName,
  { config, log }: { config: Config; log: Log },
): Promise<ReadonlyMap<string, Agent>> {
  const loaded = await loadAgents(builtInAgents(config), config.agents);
  if (!loaded.ok) refuse(service, loaded.faults);
  // A promise that an agent has lost sight of must not end the runs of all the others.
  process.on('unhandledRejection', (error) => log.error('a promise was rejected, and nobody caught it', { error }));
  return loaded.agents;
}
