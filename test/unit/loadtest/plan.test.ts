import { describe, expect, test } from 'vitest';
import { loads, planOf, slotSeconds } from '../../../loadtest/k6/plan.ts';
import { profileNames, profiles } from '../../../loadtest/k6/profiles.ts';

const seconds = (time: unknown): number => Number(String(time).replace('s', ''));

describe.each(profileNames)('the profile %s', (name) => {
  const profile = profiles[name];
  const { scenarios = {}, thresholds = {} } = planOf(name, profile, loads);

  test('has subscribers and publishers of both formats as scenarios of their own', () => {
    expect(Object.keys(scenarios).toSorted()).toEqual(
      ['json', 'msgpack']
        .flatMap((format) => [
          `agent-run-${format}`,
          ...['fanout', 'reconnect-storm', 'wildcard'].flatMap((load) => [
            `${load}-${format}-publishers`,
            `${load}-${format}-subscribers`,
          ]),
        ])
        .toSorted(),
    );
  });

  test.each(['lost', 'repeated', 'out_of_order', 'resume_gap', 'dropped_iterations', 'unfinished', 'failed'])(
    'bears no %s in any of them',
    (fault) => {
      for (const load of loads) expect(thresholds[`${fault}{load:${load}}`]).toEqual(['count==0']);
    },
  );

  test('publishes by arrival rate, from after the connecting to before the drain', () => {
    for (const scenario of Object.values(scenarios)) {
      if (scenario.executor !== 'ramping-arrival-rate') continue;
      const lasts = scenario.stages.reduce((sum, stage) => sum + seconds(stage.duration), 0);
      const begins = seconds(scenario.startTime) % slotSeconds(profile.phases);
      expect(begins).toBe(profile.phases.connect);
      expect(begins + lasts).toBeLessThan(slotSeconds(profile.phases) - profile.phases.settle);
      // Whole, or k6 refuses it.
      expect(scenario.stages.every(({ target }) => Number.isInteger(target) && target > 0)).toBe(true);
    }
  });

  test('lets publishers that begin at the last moment finish before the subscribers look whether they have all', () => {
    for (const { publishing } of [profile.fanout, profile.wildcard, profile.reconnectStorm]) {
      expect(publishing.events * publishing.everyMs).toBeLessThan(profile.phases.settle * 1000);
    }
  });

  test('has everybody back before the next cut', () => {
    const { cuts, awayMs } = profile.reconnectStorm;
    expect(awayMs).toBeLessThan((profile.phases.measure * 1000) / (cuts + 1));
  });
});

test('the books balance where one generator does all, and not where there are several', () => {
  expect(planOf('ci', profiles.ci, ['fanout']).thresholds).toHaveProperty(['owed{load:fanout}']);
  expect(planOf('fleet', profiles.fleet, ['fanout']).thresholds).not.toHaveProperty(['owed{load:fanout}']);
});

test('laptop alone has limits for the latencies', () => {
  const limits = profileNames.filter((name) => {
    const { thresholds = {} } = planOf(name, profiles[name], loads);
    return (
      thresholds['delivery_ms{load:fanout}'] !== undefined && thresholds['first_chunk_ms{load:agent-run}'] !== undefined
    );
  });
  expect(limits).toEqual(['laptop']);
});

test('ci takes less than a minute, besides the cluster', () => {
  expect(loads.length * slotSeconds(profiles.ci.phases)).toBeLessThan(60);
});
