import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { jsonOf, tableOf } from './report.ts';
import type { ScenarioResult } from './report.ts';
import { agentStatus } from './scenarios/agents.ts';
import { checkpoints } from './scenarios/checkpoints.ts';
import { fanout } from './scenarios/fanout.ts';
import { idle } from './scenarios/idle.ts';
import { latency } from './scenarios/latency.ts';
import { library } from './scenarios/library.ts';
import { presence } from './scenarios/presence.ts';
import { publishes } from './scenarios/publishes.ts';
import { runsCrowd } from './scenarios/runs-crowd.ts';
import { runsRate } from './scenarios/runs-rate.ts';
import { runsTakeover } from './scenarios/runs-takeover.ts';
import { runs } from './scenarios/runs.ts';
import type { Figure, Round, Sample, Scenario } from './scenarios/scenario.ts';
import { storm } from './scenarios/storm.ts';
import { swarms } from './scenarios/swarm.ts';
import { through } from './scenarios/through.ts';
import { visualization } from './scenarios/visualization.ts';

/** Side-by-side measurements. This process is the load generator; what is measured runs in processes of its own. */
const scenarios: readonly Scenario[] = [
  fanout,
  through,
  idle,
  latency,
  publishes,
  storm,
  library,
  runs,
  runsRate,
  runsCrowd,
  runsTakeover,
  checkpoints,
  visualization,
  swarms,
  presence,
  agentStatus,
];

const usage = `npm run bench -- [scenario …] [--json FILE] [--profile FOLDER]

${scenarios.map(({ name, about }) => `  ${name.padEnd(13)} ${about}`).join('\n')}

  --json FILE       writes every sample to FILE
  --profile FOLDER  writes a CPU profile of each gateway to FOLDER; the figures of such a run are too high
`;

function settings(): { chosen: readonly Scenario[]; json: string | undefined; profileFolder: string | undefined } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'string' }, profile: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  const unknown = positionals.find((name) => !scenarios.some((scenario) => scenario.name === name));
  if (unknown !== undefined) throw new Error(`no scenario is called ${unknown}\n\n${usage}`);
  const chosen = positionals.length === 0 ? scenarios : scenarios.filter(({ name }) => positionals.includes(name));
  return { chosen, json: values.json, profileFolder: values.profile };
}

async function measure(scenario: Scenario, profileFolder: string | undefined): Promise<ScenarioResult> {
  const { agentwire, bare } = await scenario.run({ profileFolder });
  const lines = scenario.figures.map((figure) => ({
    figure,
    agentwire: samplesOf(agentwire, figure),
    bare: samplesOf(bare, figure),
  }));
  return { scenario, lines };
}

function samplesOf(rounds: readonly Round[], { key }: Figure): Sample[] {
  return rounds.flatMap((round) => round[key] ?? []);
}

async function main(): Promise<void> {
  if (process.platform !== 'linux')
    throw new Error('the processor time and memory of a process are read from /proc: Linux only');
  const { chosen, json, profileFolder } = settings();
  if (profileFolder !== undefined) mkdirSync(profileFolder, { recursive: true });
  console.log(`${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores, Node ${process.version}`);
  console.log('medians of three rounds, with the lowest and the highest\n');
  const results: ScenarioResult[] = [];
  for (const scenario of chosen) {
    const result = await measure(scenario, profileFolder);
    results.push(result);
    console.log(tableOf(result));
  }
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(jsonOf(results), null, 2)}\n`);
}

// Leaving by `exit` ends what was started, also after an interrupt or a fault.
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));
try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
