import type { Options, Scenario, Threshold } from 'k6/options';
import { listeningLoads } from './audience.ts';
import type { ListeningLoad } from './audience.ts';
import type { Listening, Phases, Profile, ProfileName } from './profiles.ts';
import { formats } from './wire.ts';
import type { Format } from './wire.ts';

export const loads = [...listeningLoads, 'agent-run'] as const;
export type Load = (typeof loads)[number];

/** Seconds from the begin of one load to that of the next. */
export function slotSeconds({ connect, warmUp, measure, settle }: Phases): number {
  return connect + warmUp + measure + settle + spareSeconds;
}

/** For a drain as it should be. */
const spareSeconds = 2;
/** For a generator that is late, so that k6 does not take away sockets that are still being read. */
const lateSeconds = 60;

export function listeningOf(profile: Profile, load: ListeningLoad): Listening {
  return { fanout: profile.fanout, wildcard: profile.wildcard, 'reconnect-storm': profile.reconnectStorm }[load];
}

/** One load after the other, both formats of one at the same time: what is published in either reaches subscribers of both. */
export function planOf(name: ProfileName, profile: Profile, chosen: readonly Load[]): Options {
  const scenarios: Record<string, Scenario> = {};
  const thresholds: Record<string, Threshold[]> = {};
  for (const [index, load] of chosen.entries()) {
    const begin = index * slotSeconds(profile.phases);
    for (const format of formats) {
      Object.assign(scenarios, scenariosOf(profile, load, format, begin));
      Object.assign(thresholds, measuredOf(load, format));
    }
    Object.assign(thresholds, faultlessOf(name, load));
    Object.assign(thresholds, latencyOf(profile, load));
  }
  return {
    scenarios,
    thresholds,
    summaryTrendStats: ['count', 'med', 'p(95)', 'p(99)', 'max'],
    // k6 keeps a row of figures for each value of each tag.
    systemTags: ['scenario', 'error_code'],
  };
}

function scenariosOf(profile: Profile, load: Load, format: Format, begin: number): Record<string, Scenario> {
  const { phases } = profile;
  const common = { env: { LOAD: load, FORMAT: format }, tags: { load, format }, gracefulStop: '0s' };
  const arrivals = (perSecond: number, busySeconds: number): Scenario => {
    const rate = Math.round(perSecond * 60);
    return {
      executor: 'ramping-arrival-rate',
      startTime: `${begin + phases.connect}s`,
      timeUnit: '1m',
      startRate: 0,
      stages: [
        { target: rate, duration: `${phases.warmUp}s` },
        { target: rate, duration: `${phases.measure}s` },
      ],
      // Enough for a broker that takes two seconds longer; beyond that an iteration is dropped, which is a fault.
      preAllocatedVUs: Math.ceil(perSecond * (busySeconds + 2)) + 1,
      ...common,
      gracefulStop: `${phases.drain + lateSeconds}s`,
    };
  };
  if (load === 'agent-run') {
    const { perSecond, words, delayMs } = profile.agentRun;
    return { [`${load}-${format}`]: { exec: 'agentRun', ...arrivals(perSecond, (words * delayMs) / 1000) } };
  }
  const { crowd, publishing } = listeningOf(profile, load);
  return {
    [`${load}-${format}-subscribers`]: {
      exec: 'subscribers',
      executor: 'per-vu-iterations',
      startTime: `${begin}s`,
      vus: crowd.users,
      iterations: 1,
      maxDuration: `${slotSeconds(phases) + phases.drain + lateSeconds}s`,
      ...common,
    },
    [`${load}-${format}-publishers`]: {
      exec: 'publisher',
      ...arrivals(publishing.perSecond, (publishing.events * publishing.everyMs) / 1000),
    },
  };
}

/** k6 sums up by tag only what has a threshold, so this is one that always holds. */
const summedUp: Threshold[] = ['max>=0'];

/** A load that measured nothing has not passed. */
function measuredOf(load: Load, format: Format): Record<string, Threshold[]> {
  const of = `{load:${load},format:${format}}`;
  if (load === 'agent-run') return { [`runs${of}`]: ['count>0'], [`first_chunk_ms${of}`]: summedUp };
  const back = load === 'reconnect-storm' ? { [`resume_ms${of}`]: summedUp } : {};
  return {
    [`published${of}`]: ['count>0'],
    [`delivered${of}`]: ['count>0'],
    [`delivery_ms${of}`]: summedUp,
    [`answer_ms${of}`]: summedUp,
    ...back,
  };
}

function faultlessOf(name: ProfileName, load: Load): Record<string, Threshold[]> {
  // What one generator publishes is delivered at another, so with several none has a balance of its own.
  const owed = name === 'fleet' ? [] : ['owed'];
  const faults = [
    'lost',
    'repeated',
    'out_of_order',
    'resume_gap',
    'failed',
    'dropped_iterations',
    'unfinished',
    ...owed,
  ];
  return Object.fromEntries(faults.map((fault) => [`${fault}{load:${load}}`, ['count==0']]));
}

function latencyOf({ latency }: Profile, load: Load): Record<string, Threshold[]> {
  if (latency === undefined) return {};
  const { p95, p99 } = { ...latency, 'reconnect-storm': latency.reconnectStorm, 'agent-run': latency.agentRun }[load];
  const metric = load === 'agent-run' ? 'first_chunk_ms' : 'delivery_ms';
  return { [`${metric}{load:${load}}`]: [`p(95)<=${p95}`, `p(99)<=${p99}`] };
}
