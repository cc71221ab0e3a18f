import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { realClock } from '../../shared/base/clock.ts';
import { agentName } from '../../shared/protocol/runs.ts';
import type { Agent } from './agent.ts';

/** A module may do what it likes on loading, but one that never comes to an end must not look like a start that hangs. */
const patienceMs = 30_000;

export type LoadedAgents = { ok: true; agents: ReadonlyMap<string, Agent> } | { ok: false; faults: string[] };

/** The agents of the build and those of the modules that were named, or all that is wrong with them. */
export async function loadAgents(
  builtIn: readonly Agent[],
  modules: readonly string[],
  folder = process.cwd(),
): Promise<LoadedAgents> {
  const agents = new Map<string, Agent>();
  const from = new Map<string, string>();
  const faults: string[] = [];
  const fault = (module: string, says: string): void => void faults.push(`AGENTWIRE_AGENTS: ${module}: ${says}`);
  const take = (agent: Agent, module: string): void => {
    const other = from.get(agent.name);
    if (other !== undefined) return fault(module, `the name ${agent.name} is taken by ${other}`);
    agents.set(agent.name, agent);
    from.set(agent.name, module);
  };
  for (const agent of builtIn) take(agent, 'an agent that every build has');
  for (const module of modules) {
    const loaded = await load(module, folder);
    if ('fault' in loaded) {
      fault(module, loaded.fault);
      continue;
    }
    for (const { agent, at, wrong } of exported(loaded.value)) {
      if (wrong.length === 0) take(agent, module);
      for (const says of wrong) fault(module, `${at} ${says}`);
    }
  }
  return faults.length === 0 ? { ok: true, agents } : { ok: false, faults };
}

async function load(name: string, folder: string): Promise<{ value: unknown } | { fault: string }> {
  let cancel: () => void = () => {};
  const late = new Promise<{ fault: string }>((settle) => {
    cancel = realClock.later(patienceMs, () => settle({ fault: `is not loaded after ${patienceMs / 1000} s` }));
  });
  try {
    const found = import(addressOf(name, folder)) as Promise<{ default?: unknown }>;
    return await Promise.race([late, found.then((module) => ({ value: defaultOf(module) }))]);
  } catch (error) {
    return { fault: `cannot be loaded: ${describe(error)}` };
  } finally {
    cancel();
  }
}

/** A path, from the folder where the process was started, or a package that is installed there. */
function addressOf(name: string, folder: string): string {
  if (/^\.{0,2}\//.test(name)) return pathToFileURL(resolve(folder, name)).href;
  try {
    return pathToFileURL(createRequire(join(folder, 'package.json')).resolve(name)).href;
  } catch {
    // A package for `import` alone cannot be found like this. It can where it is installed beside this one.
    return name;
  }
}

/** A module that was compiled to CommonJS holds its default one level deeper. */
function defaultOf(module: { default?: unknown }): unknown {
  const inner = module.default as { __esModule?: boolean; default?: unknown } | null | undefined;
  return inner?.__esModule ? inner.default : module.default;
}

function exported(value: unknown): { agent: Agent; at: string; wrong: string[] }[] {
  if (!Array.isArray(value)) return [{ agent: value as Agent, at: 'the default export', wrong: faultsOf(value) }];
  return value.map((each: unknown, i) => ({
    agent: each as Agent,
    at: `the default export's [${i}]`,
    wrong: faultsOf(each),
  }));
}

function faultsOf(value: unknown): string[] {
  if (value === undefined) return ['is missing'];
  if (typeof value !== 'object' || value === null)
    return [`is ${kindOf(value)}, and must be an agent or an array of agents`];
  const { name, description, run } = value as Partial<Record<keyof Agent, unknown>>;
  const faults: string[] = [];
  if (!agentName.safeParse(name).success) faults.push('has a name that is not 1 to 64 of A-Z a-z 0-9 _ -');
  if (typeof description !== 'string') faults.push(`has a description that is ${kindOf(description)}, not a string`);
  if (typeof run !== 'function') faults.push(`has a run that is ${kindOf(run)}, not a function`);
  return faults;
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  return value === null ? 'null' : `a ${typeof value}`;
}

/** Where a module is missing, Node says who wanted it: worth knowing, unless it was us. */
function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return `${thrown.name}: ${thrown.message.replace(` imported from ${import.meta.filename}`, '')}`;
}
