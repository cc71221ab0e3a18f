import type { Clock } from '../../../shared/base/clock.ts';
import type { LogEvent, TopicHead, TopicLog } from '../../../shared/engine/engine.ts';
import { Event, Gap, Renumbered } from './entry.ts';
import type { Entry } from './entry.ts';
import type { Tail } from './tail.ts';

const readLimit = 500;
const retryMs = 200;

export interface RepairPorts {
  log: TopicLog;
  clock: Clock;
  /** Takes what is next of a topic: into the ring, and out to the live. */
  emit(entry: Entry): void;
  /** Resolves when what was emitted before is out: a repair reads no faster than that. */
  passed(): Promise<void>;
  /** From which time of the store on the patterns here want the topic's events; infinite where none matches. */
  wantedSince(topic: string): number;
}

/**
 * Reads the log until the tail lacks nothing: not what was lost, nor what came live meanwhile. A store that is away is
 * asked until it answers. What the log no longer has is emitted as a Gap, a new numbering as Renumbered.
 */
export async function repair(tail: Tail, ports: RepairPorts): Promise<void> {
  if (tail.busy) return;
  tail.busy = true;
  tail.state = 'reading';
  while (!tail.gone) {
    const outcome = await round(tail, ports);
    await ports.passed();
    if (outcome === 'done') break;
    if (outcome === 'away') await new Promise<void>((resolve) => ports.clock.later(retryMs, resolve));
  }
  tail.busy = false;
  if (!tail.gone) tail.follow();
}

async function round(tail: Tail, ports: RepairPorts): Promise<'done' | 'more' | 'away'> {
  if (!tail.located) return locate(tail, ports);
  if (tail.rewound) {
    const renumbered = await ports.log.renumber(tail.topic, tail.epoch);
    if (!renumbered.ok) return 'away';
    tail.rewound = false;
  }
  const { epoch, seq, wantedEpoch, wantedSeq } = tail;
  // The event at `seq` is read once more: is it still the one that was sent?
  const verify = seq > 0 && tail.ts > 0;
  tail.doubt = false;
  const answer = await ports.log.read(tail.topic, { after: verify ? seq - 1 : seq, limit: readLimit });
  if (tail.gone) return 'done';
  if (!answer.ok) return 'away';
  const { head, events } = answer.value;
  const wanted = wantedEpoch === tail.epoch ? wantedSeq : 0;
  // The answer knows all that was live when it was asked for; only what came since can be wanting.
  if (tail.wantedEpoch === wantedEpoch && tail.wantedSeq === wantedSeq) tail.wantedSeq = 0;
  if (head.epoch !== epoch) {
    if (epoch !== '') return renumbered(tail, head, ports);
    tail.epoch = head.epoch;
  }
  // The answer is younger than what was known before it: a lower head means that numbers were lost with their events.
  if (head.seq < seq || head.seq < wanted) tail.rewound = true;
  if (verify && events[0]?.seq === seq) {
    if (events[0].ts !== tail.ts) tail.rewound = true;
    events.shift();
  }
  if (tail.rewound) return 'more';
  take(tail, head, events, ports);
  return tail.seq >= head.seq && !tail.wants && !tail.doubt ? 'done' : 'more';
}

function take(tail: Tail, head: TopicHead, events: readonly LogEvent[], ports: RepairPorts): void {
  for (const event of events) {
    if (event.seq > tail.seq + 1) ports.emit(new Gap(tail.topic, tail.epoch, tail.seq + 1, event.seq - 1, tail));
    tail.seq = event.seq;
    tail.ts = event.ts;
    ports.emit(new Event(event.topic, event.epoch, event.seq, event.ts, event.body, tail));
  }
  if (events.length === 0 && head.seq > tail.seq) {
    ports.emit(new Gap(tail.topic, tail.epoch, tail.seq + 1, head.seq, tail));
    tail.seq = head.seq;
    tail.ts = head.ts;
  }
  tail.readTo = tail.seq;
}

/** Where to begin with a topic that only patterns want: after the last event from before they wanted it. */
async function locate(tail: Tail, ports: RepairPorts): Promise<'more' | 'done' | 'away'> {
  const since = ports.wantedSince(tail.topic);
  const head = await headSince(tail, Number.isFinite(since) ? since : undefined, ports);
  if (tail.gone) return 'done';
  if (!head) return 'away';
  const timed = Number.isFinite(since);
  if (!tail.located && (timed || !Number.isFinite(ports.wantedSince(tail.topic)))) begin(tail, head, timed, ports);
  return 'more';
}

/** `timed`: the head was asked for with the time from which on events are wanted; otherwise only what comes is. */
export function begin(tail: Tail, head: TopicHead, timed: boolean, ports: RepairPorts): void {
  const seq = timed ? head.before : head.seq;
  // All that is kept is wanted, so something of what was trimmed may have been, too.
  if (timed && seq > 0 && seq < head.first && head.ts > 0) ports.emit(new Gap(tail.topic, head.epoch, 1, seq, tail));
  tail.locate(head.epoch, seq, seq === head.seq ? head.ts : 0);
  tail.sent(head.epoch, seq);
}

/** Another numbering. What of it was not seen is younger than the last event that was. */
async function renumbered(tail: Tail, now: TopicHead, ports: RepairPorts): Promise<'done' | 'more' | 'away'> {
  // The topic is gone as a whole; the next event will bring the new numbering, and the news of it.
  if (now.epoch === '') return 'done';
  const since = tail.ts > 0 ? tail.ts + 1 : ports.wantedSince(tail.topic);
  const head = await headSince(tail, Number.isFinite(since) ? since : 0, ports);
  if (tail.gone) return 'done';
  if (!head) return 'away';
  if (head.epoch === '') return 'done';
  ports.emit(new Renumbered(tail.topic, head.epoch, head.before, tail));
  tail.locate(head.epoch, head.before, 0);
  return 'more';
}

async function headSince(tail: Tail, since: number | undefined, ports: RepairPorts): Promise<TopicHead | undefined> {
  const { topic } = tail;
  const answer = await ports.log.heads([since === undefined ? { topic } : { topic, since }]);
  return answer.ok ? answer.value.heads[0] : undefined;
}
