import { optionList, options } from './options.ts';
import type { Config, Option, ServiceName } from './options.ts';
import type { Environment } from './kinds.ts';
import { ruleFaults } from './rules.ts';
import { suggest } from './suggest.ts';

export type ConfigResult = { ok: true; config: Config } | { ok: false; faults: string[] };

/** Read by our tools, not by a service: they may well be set where a service is started. */
const toolNames = ['AGENTWIRE_URL'];

/**
 * Reads the whole table, whichever service asks: processes of one cluster share one environment, and a mistake in it
 * should stop the first of them, not the one that happens to need it. All faults are reported at once. Each begins
 * with the name of a variable or ends with names, and none repeats a value, because some are secrets. Only what a
 * service cannot do without depends on which it is.
 */
export function loadConfig(env: Environment, service: ServiceName = 'gateway'): ConfigResult {
  const faults = unknownNames(env);
  const config: Record<string, unknown> = {};
  for (const [key, option] of Object.entries<Option<unknown>>(options)) {
    const written = env[option.env]?.trim();
    if (!written) {
      config[key] = option.derived ? option.derived.from(env) : option.fallback;
      continue;
    }
    const reading = option.kind.read(written);
    if (reading.ok) config[key] = reading.value;
    else faults.push(`${option.env} ${reading.fault}`);
  }
  // A rule over values that are wrong themselves would only repeat their faults.
  if (faults.length > 0) return { ok: false, faults };
  const whole = config as unknown as Config;
  const broken = ruleFaults(whole, service);
  return broken.length > 0 ? { ok: false, faults: broken } : { ok: true, config: whole };
}

function unknownNames(env: Environment): string[] {
  const known = optionList.map((option) => option.env);
  const faults: string[] = [];
  for (const name of Object.keys(env).sort()) {
    if (!name.startsWith('AGENTWIRE_') || known.includes(name) || toolNames.includes(name)) continue;
    // An empty one is unset, and so it cannot be wrong.
    if (!env[name]?.trim()) continue;
    const meant = suggest(name, known);
    faults.push(`${name} is not an option${meant === undefined ? '' : `; did you mean ${meant}?`}`);
  }
  return faults;
}
