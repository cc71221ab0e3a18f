import exec from 'k6/execution';
import { setTimeout } from 'k6/timers';
import type { Load } from './plan.ts';
import { profiles } from './profiles.ts';
import type { Profile, ProfileName } from './profiles.ts';
import type { Format } from './wire.ts';

/** What every script of a scenario needs to know about the test that it is part of. */
export interface Setting {
  readonly run: string;
  /** Over http; a WebSocket has the same host and port. */
  readonly url: string;
  readonly socketUrl: string;
  readonly profile: Profile;
  readonly load: Load;
  readonly format: Format;
}

export function setting(): Setting {
  const { RUN_ID = '', AGENTWIRE_URL = '', PROFILE = '', LOAD, FORMAT } = __ENV;
  const url = AGENTWIRE_URL.replace(/\/+$/, '');
  return {
    run: RUN_ID,
    url,
    socketUrl: `${url.replace(/^http/, 'ws')}/v1/ws`,
    profile: profiles[PROFILE as ProfileName],
    load: LOAD as Load,
    format: FORMAT as Format,
  };
}

/** In milliseconds of the clock, as the scenario of the subscribers has it. */
export interface Moments {
  readonly measureFrom: number;
  readonly measureTo: number;
  /** The publishers are done. */
  readonly quiet: number;
}

export function moments({ phases }: Profile): Moments {
  const measureFrom = exec.scenario.startTime + (phases.connect + phases.warmUp) * 1000;
  const measureTo = measureFrom + phases.measure * 1000;
  return { measureFrom, measureTo, quiet: measureTo + phases.settle * 1000 };
}

/** A wait without a socket, which would let the whole virtual user stand still with `sleep`. */
export function until(moment: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, Math.max(0, moment - Date.now())));
}
