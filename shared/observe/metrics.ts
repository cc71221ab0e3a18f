import { Counter, Histogram } from 'prom-client';
import { errorTable } from '../base/errors.ts';
import { closeCodes } from '../protocol/close-codes.ts';
import type { CloseName } from '../protocol/close-codes.ts';
import { metricTable } from './metric-table.ts';
import { MetricsPage } from './metrics-page.ts';
import type { StoreFigures } from './metrics-page.ts';
import { countAtScrape, fromZero, gaugeAtScrape, labelled } from './scrape.ts';

/** Plain numbers for whoever does the work to add to, and to take from where they say how many there are now. */
export interface GatewayStats {
  connections: number;
  subscriptions: number;
  behindConnections: number;
  eventsPublished: number;
  eventsDelivered: number;
  bytesReceived: number;
  bytesDelivered: number;
  eventsDropped: number;
  replayedEvents: number;
  repairs: number;
  authFailures: number;
}

export function newGatewayStats(): GatewayStats {
  return {
    connections: 0,
    subscriptions: 0,
    behindConnections: 0,
    eventsPublished: 0,
    eventsDelivered: 0,
    bytesReceived: 0,
    bytesDelivered: 0,
    eventsDropped: 0,
    replayedEvents: 0,
    repairs: 0,
    authFailures: 0,
  };
}

const refusals = ['full', 'draining'] as const;
type Refusal = (typeof refusals)[number];

/**
 * Those that are watched: of the others, a first one is no news. Of the durations no row is begun, since each would be
 * one for every bucket.
 */
const fromStart = ['ok', ...Object.entries(errorTable).flatMap(([code, { status }]) => (status >= 500 ? [code] : []))];

interface RequestType {
  took: Histogram.Internal<'type'>;
  codes: Map<string, number>;
}

/** Names that a gateway has from its start, and whose rows begin with it. */
export interface KnownNames {
  readonly dialects: readonly string[];
  readonly requests: readonly string[];
}

/** A type is made of our own names; should a client's ever slip in, it cannot make more rows than this. */
const typeLimit = 100;

// From a publish on the embedded engine to a request that waits for a store that is away.
const durationBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** What a gateway shows on /metrics, and whatever else is in its process. */
export class GatewayMetrics extends MetricsPage {
  readonly stats = newGatewayStats();
  readonly #opened: Counter<'dialect'>;
  readonly #closed: Counter<'reason'>;
  readonly #refused: Counter<'reason'>;
  readonly #took: Histogram<'type'>;
  readonly #types = new Map<string, RequestType>();

  constructor(version: string, store: StoreFigures, { dialects, requests }: KnownNames) {
    super(version, store);
    const { registry, stats } = this;
    const registers = [registry];
    gaugeAtScrape(registry, metricTable.connections, () => stats.connections);
    this.#opened = new Counter({ ...labelled(metricTable.connectionsOpened), registers });
    this.#closed = new Counter({ ...labelled(metricTable.connectionsClosed), registers });
    this.#refused = new Counter({ ...labelled(metricTable.connectionsRefused), registers });
    fromZero(
      this.#opened,
      dialects.map((dialect) => ({ dialect })),
    );
    fromZero(
      this.#closed,
      Object.keys(closeCodes).map((reason) => ({ reason })),
    );
    fromZero(
      this.#refused,
      refusals.map((reason) => ({ reason })),
    );
    gaugeAtScrape(registry, metricTable.subscriptions, () => stats.subscriptions);
    gaugeAtScrape(registry, metricTable.behindConnections, () => stats.behindConnections);
    this.#addRequests();
    this.#took = new Histogram({ ...labelled(metricTable.requestDuration), buckets: durationBuckets, registers });
    for (const type of requests) this.#newType(type);
    countAtScrape(registry, metricTable.eventsPublished, () => stats.eventsPublished);
    countAtScrape(registry, metricTable.eventsDelivered, () => stats.eventsDelivered);
    countAtScrape(registry, metricTable.bytesReceived, () => stats.bytesReceived);
    countAtScrape(registry, metricTable.bytesDelivered, () => stats.bytesDelivered);
    countAtScrape(registry, metricTable.eventsDropped, () => stats.eventsDropped);
    countAtScrape(registry, metricTable.replayedEvents, () => stats.replayedEvents);
    countAtScrape(registry, metricTable.repairs, () => stats.repairs);
    countAtScrape(registry, metricTable.authFailures, () => stats.authFailures);
  }

  opened(dialect: string): void {
    this.#opened.inc({ dialect });
  }

  /** By this node: a client that leaves is not counted. */
  closed(reason: CloseName): void {
    this.#closed.inc({ reason });
  }

  refused(reason: Refusal): void {
    this.#refused.inc({ reason });
  }

  /** `type` must be one of our own names for requests, never what a client wrote; `code` is `ok` or an error code. */
  request(type: string, code: string, seconds: number): void {
    const row = this.#types.get(type) ?? this.#newType(type);
    row.codes.set(code, (row.codes.get(code) ?? 0) + 1);
    row.took.observe(seconds);
  }

  #newType(type: string): RequestType {
    if (this.#types.size >= typeLimit && type !== 'other') return this.#types.get('other') ?? this.#newType('other');
    const row = { took: this.#took.labels({ type }), codes: new Map(fromStart.map((code) => [code, 0])) };
    this.#types.set(type, row);
    return row;
  }

  #addRequests(): void {
    const types = this.#types;
    new Counter({
      ...labelled(metricTable.requests),
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [type, { codes }] of types) {
          for (const [code, count] of codes) this.inc({ type, code }, count);
        }
      },
    });
  }
}
