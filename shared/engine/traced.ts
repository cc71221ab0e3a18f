import type { Tracing } from '../observe/tracing.ts';
import { traceparentIn } from '../wire/event-frame.ts';
import type { Append, Engine, Queue, Records, TopicLog } from './engine.ts';

/**
 * The engine, with spans of what is changed in it: by a request or an attempt that is traced, and of appends those
 * alone whose event carries the trace. A run's chunks do not, and would bury everything else. Whichever engine it is;
 * one that is not traced is not wrapped.
 */
export function traced(engine: Engine, tracing: Tracing, system: 'redis' | 'memory'): Engine {
  const log = tracedLog(engine.log, tracing, system);
  const records = tracedRecords(engine.records, tracing, system);
  const { leases, signals, counters } = engine;
  return {
    log,
    records,
    leases,
    signals,
    counters,
    queue: (name) => tracedQueue(engine.queue(name), name, tracing),
    start: () => engine.start(),
    stop: () => engine.stop(),
    ready: () => engine.ready(),
    refused: () => engine.refused(),
  };
}

function tracedLog(log: TopicLog, tracing: Tracing, system: string): TopicLog {
  const attributesOf = ({ topic }: Append): Record<string, string> => ({
    'db.system.name': system,
    'db.operation.name': 'append',
    'messaging.destination.name': topic,
  });
  return {
    append: (event) =>
      traceparentIn(event.body) === undefined
        ? log.append(event)
        : tracing.call('append', attributesOf(event), () => log.append(event)),
    heads: (asks) => log.heads(asks),
    read: (topic, range) => log.read(topic, range),
    active: (since) => log.active(since),
    renumber: (topic, epoch) => log.renumber(topic, epoch),
    watch: (topics) => log.watch(topics),
    unwatch: (topics) => log.unwatch(topics),
    watchAll: (on) => log.watchAll(on),
    listen: (listener) => log.listen(listener),
  };
}

function tracedRecords(records: Records, tracing: Tracing, system: string): Records {
  return {
    read: (home, keys) => records.read(home, keys),
    page: (home, list, range) => records.page(home, list, range),
    commit: (home, change) => {
      const attributes = { 'db.system.name': system, 'db.operation.name': 'commit', 'agentwire.home': home };
      return tracing.call('commit', attributes, () => records.commit(home, change));
    },
  };
}

function tracedQueue(queue: Queue, name: string, tracing: Tracing): Queue {
  return {
    add: (job) => tracing.send(name, job.id, () => queue.add(job)),
    remove: (id) => queue.remove(id),
    has: (ids) => queue.has(ids),
    counts: () => queue.counts(),
    consume: (options) => queue.consume(options),
  };
}
