export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  /** What several processes show together, where that is not their sum. */
  readonly together?: 'min' | 'max';
}

/**
 * Every metric of ours. Dashboards and alerts depend on the names: they are as frozen as the wire. A counter ends in
 * `_total`, nothing else does; units are seconds and bytes.
 */
export const metricTable = {
  connections: { name: 'agentwire_connections', help: 'Connections that are open now.' },
  connectionsOpened: {
    name: 'agentwire_connections_opened_total',
    help: 'Connections that were opened, by dialect.',
    labels: ['dialect'],
  },
  connectionsClosed: {
    name: 'agentwire_connections_closed_total',
    help: 'Connections that this node ended, by reason.',
    labels: ['reason'],
  },
  connectionsRefused: {
    name: 'agentwire_connections_refused_total',
    help: 'Connections that were not let in, by reason: full or draining.',
    labels: ['reason'],
  },
  subscriptions: { name: 'agentwire_subscriptions', help: 'Subscriptions of all open connections.' },
  behindConnections: {
    name: 'agentwire_behind_connections',
    help: 'Connections that are catching up and do not ride the fast lane.',
  },
  requests: {
    name: 'agentwire_requests_total',
    help: 'Requests that were answered, by type and by code: ok or the code of the error.',
    labels: ['type', 'code'],
  },
  requestDuration: {
    name: 'agentwire_request_duration_seconds',
    help: 'From reading a request to its answer, by type.',
    labels: ['type'],
  },
  eventsPublished: { name: 'agentwire_events_published_total', help: 'Events that this node accepted from clients.' },
  eventsDelivered: {
    name: 'agentwire_events_delivered_total',
    help: 'Events handed to connections; one event to ten of them counts ten.',
  },
  bytesReceived: {
    name: 'agentwire_received_bytes_total',
    help: 'Bytes of the frames that clients sent over WebSockets.',
  },
  bytesDelivered: {
    name: 'agentwire_delivered_bytes_total',
    help: 'Bytes of the events handed to connections, before compression.',
  },
  eventsDropped: {
    name: 'agentwire_events_dropped_total',
    help: 'Events that a slow connection never got, and was told so.',
  },
  replayedEvents: {
    name: 'agentwire_replayed_events_total',
    help: 'Events delivered from history to connections that came back or fell behind.',
  },
  repairs: {
    name: 'agentwire_repairs_total',
    help: 'Times that this node found a hole in what the store pushed, and read it from the log.',
  },
  authFailures: { name: 'agentwire_auth_failures_total', help: 'Tokens and origins that were refused.' },
  engineReady: {
    name: 'agentwire_engine_ready',
    help: 'Whether the store can be expected to answer: 1 or 0.',
    together: 'min',
  },
  storeRefusals: {
    name: 'agentwire_store_refusals_total',
    help: 'Calls that the store refused because it takes no changes: it is full, cannot save, or is a replica.',
  },
  storeRoundTrip: {
    name: 'agentwire_store_round_trip_seconds',
    help: 'How long the store took to answer a small question, asked every few seconds.',
  },
  draining: {
    name: 'agentwire_draining',
    help: 'Whether the process takes no new work because it is about to end: 1 or 0.',
    together: 'max',
  },
  buildInfo: {
    name: 'agentwire_build_info',
    help: 'Always 1: the label says which version runs.',
    labels: ['version'],
    together: 'max',
  },

  queueRuns: {
    name: 'agentwire_queue_runs',
    help: 'Runs on the queue of the whole cluster, by state: waiting, delayed or running. Every gateway shows the same.',
    labels: ['state'],
    together: 'max',
  },

  runsStarted: {
    name: 'agentwire_runs_started_total',
    help: 'Runs that a worker began to work on, each attempt anew.',
    labels: ['agent'],
  },
  runsEnded: {
    name: 'agentwire_runs_ended_total',
    help: 'Attempts that a worker had done with: completed, cancelled, failed, requeued for another one, or lost.',
    labels: ['agent', 'outcome'],
  },
  runsRunning: { name: 'agentwire_runs_running', help: 'Runs that are worked on now.' },
  runSlots: { name: 'agentwire_run_slots', help: 'Runs that can be worked on at once, parked ones apart.' },
  runsParked: {
    name: 'agentwire_runs_parked',
    help: 'Runs that a worker holds without a slot, because they wait for somebody.',
  },
  runDuration: {
    name: 'agentwire_run_duration_seconds',
    help: 'How long an attempt was in the hands of a worker, waits included.',
    labels: ['agent'],
  },
  runWait: {
    name: 'agentwire_run_wait_seconds',
    help: 'From the making of a run to the first time that a worker began it.',
  },
  runTakeovers: {
    name: 'agentwire_run_takeovers_total',
    help: 'Runs that were taken over from a worker that had died.',
  },

  cpu: { name: 'agentwire_process_cpu_seconds_total', help: 'Processor time of this process, user and system.' },
  residentMemory: { name: 'agentwire_process_resident_memory_bytes', help: 'Memory that the process holds in RAM.' },
  heapUsed: { name: 'agentwire_process_heap_used_bytes', help: 'JavaScript heap in use.' },
  externalMemory: {
    name: 'agentwire_process_external_memory_bytes',
    help: 'Memory outside of the JavaScript heap that its objects hold.',
  },
  openFiles: { name: 'agentwire_process_open_fds', help: 'Open file descriptors; Linux only.' },
  startTime: {
    name: 'agentwire_process_start_time_seconds',
    help: 'Start of the process, since the Unix epoch.',
    together: 'min',
  },
  eventLoopDelay: {
    name: 'agentwire_eventloop_delay_p99_seconds',
    help: '99th percentile of how late the event loop ran since the last scrape.',
    together: 'max',
  },
} as const satisfies Record<string, Metric>;
