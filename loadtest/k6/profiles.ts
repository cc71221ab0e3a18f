export const profileNames = ['ci', 'laptop', 'fleet'] as const;
export type ProfileName = (typeof profileNames)[number];

/** In seconds, one after the other. Each scenario goes through all of them. */
export interface Phases {
  /** Subscribers connect and subscribe. */
  readonly connect: number;
  /** Publishing goes up to its rate. */
  readonly warmUp: number;
  /** What is published now counts for the latencies. */
  readonly measure: number;
  /** Publishers that began at the last moment finish. */
  readonly settle: number;
  /**
   * Subscribers get what is still on its way, check that they have everything, and close. They do not wait longer than
   * this for a next event; the next scenario does not wait for them, and is disturbed only by one that has failed.
   */
  readonly drain: number;
}

/** All figures are for each of the two formats. */
export interface Crowd {
  /** Virtual users, each with a JavaScript engine of its own, and the connections of each. */
  readonly users: number;
  readonly connections: number;
}

/** A publisher comes, publishes its events one every `everyMs`, waits for the answers and goes. */
export interface Publishing {
  readonly perSecond: number;
  readonly events: number;
  readonly everyMs: number;
}

export interface Listening {
  readonly topics: number;
  readonly crowd: Crowd;
  readonly publishing: Publishing;
}

/** In milliseconds at most, of 95 and of 99 in 100 deliveries; of runs, to their first chunk. */
export interface Latency {
  readonly p95: number;
  readonly p99: number;
}

export interface Profile {
  readonly phases: Phases;
  readonly fanout: Listening;
  readonly wildcard: Listening;
  readonly reconnectStorm: Listening & { readonly cuts: number; readonly awayMs: number };
  readonly agentRun: { readonly perSecond: number; readonly words: number; readonly delayMs: number };
  /** Undefined where it says more about the machine than about the broker. */
  readonly latency: Readonly<Record<'fanout' | 'wildcard' | 'reconnectStorm' | 'agentRun', Latency>> | undefined;
}

export const profiles: Readonly<Record<ProfileName, Profile>> = {
  /** Says whether it works, on a machine that does other things as well. */
  ci: {
    phases: { connect: 3, warmUp: 1, measure: 5, settle: 1, drain: 10 },
    fanout: {
      topics: 1,
      crowd: { users: 2, connections: 25 },
      publishing: { perSecond: 2, events: 8, everyMs: 50 },
    },
    wildcard: {
      topics: 12,
      crowd: { users: 2, connections: 15 },
      publishing: { perSecond: 3, events: 8, everyMs: 50 },
    },
    reconnectStorm: {
      topics: 6,
      crowd: { users: 2, connections: 30 },
      publishing: { perSecond: 3, events: 8, everyMs: 50 },
      cuts: 2,
      awayMs: 500,
    },
    agentRun: { perSecond: 5, words: 12, delayMs: 20 },
    latency: undefined,
  },
  /** Says how fast it is, on one machine with nothing else to do. */
  laptop: {
    phases: { connect: 5, warmUp: 5, measure: 30, settle: 3, drain: 10 },
    fanout: {
      topics: 1,
      crowd: { users: 5, connections: 50 },
      publishing: { perSecond: 0.3, events: 10, everyMs: 150 },
    },
    wildcard: {
      topics: 100,
      crowd: { users: 4, connections: 25 },
      publishing: { perSecond: 1, events: 10, everyMs: 100 },
    },
    reconnectStorm: {
      topics: 20,
      crowd: { users: 5, connections: 100 },
      publishing: { perSecond: 1, events: 10, everyMs: 100 },
      cuts: 3,
      awayMs: 1000,
    },
    agentRun: { perSecond: 20, words: 20, delayMs: 20 },
    latency: {
      fanout: { p95: 200, p99: 400 },
      wildcard: { p95: 100, p99: 250 },
      // What is live while a thousand clients come back waits for the generator, which has to connect them all.
      reconnectStorm: { p95: 500, p99: 1500 },
      agentRun: { p95: 100, p99: 250 },
    },
  },
  /** For a cluster of many machines and a generator of several; what they carry is theirs to say. */
  fleet: {
    phases: { connect: 60, warmUp: 30, measure: 300, settle: 5, drain: 30 },
    fanout: {
      topics: 1,
      crowd: { users: 100, connections: 100 },
      publishing: { perSecond: 2, events: 10, everyMs: 100 },
    },
    wildcard: {
      topics: 1000,
      crowd: { users: 50, connections: 50 },
      publishing: { perSecond: 20, events: 10, everyMs: 100 },
    },
    reconnectStorm: {
      topics: 200,
      crowd: { users: 100, connections: 100 },
      publishing: { perSecond: 20, events: 10, everyMs: 100 },
      cuts: 5,
      awayMs: 5000,
    },
    agentRun: { perSecond: 250, words: 50, delayMs: 50 },
    latency: undefined,
  },
};
