import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';
import { arrived, Connection, Publisher, steadily } from './generator.ts';
import { agentwireFrames, eventBytes } from './targets.ts';
import { TopicReader } from './topic-reader.ts';

/**
 * Traffic that goes on while something else happens, in a thread of its own: what is measured is how long its events
 * take, and a thread that has the something else to do would measure itself. It works between two messages of its
 * owner, and then says what became of it.
 */
export interface LiveReport {
  /** From publish to delivery, in milliseconds. */
  readonly longest: number;
  readonly p99: number;
  /** The longest that this thread was kept from running; what waited so long did not wait for a server. */
  readonly late: number;
  readonly fault: string | undefined;
}

const perSecond = 200;
const pieceMs = 250;
const topics = Array.from({ length: 10 }, (_, index) => `bench.live.${index}`);
/** Far more than can be late in a piece. */
const window = 256;

const main = parentPort!;
const { ports } = workerData as { ports: number[] };

/** When each event was sent, by topic; its number is its place here, from 1 on. */
const sentAt = topics.map((): number[] => [0]);
let took: number[] = [];
const readers: TopicReader[] = [];
const publishers: Publisher[] = [];

for (const [index, topic] of topics.entries()) {
  for (const port of ports) {
    const reader = new TopicReader(topic);
    const connection = await Connection.open(port, agentwireFrames.path, eventBytes);
    await connection.ask(agentwireFrames.subscribe(topic));
    connection.reader.onHead = (head) => {
      reader.read(head);
      took.push(performance.now() - (sentAt[index]![reader.seq] ?? 0));
    };
    readers.push(reader);
  }
  const publishing = await Connection.open(ports[0]!, agentwireFrames.path, eventBytes);
  publishers.push(new Publisher(publishing, [agentwireFrames.publish(topic)], window));
}

let turn = 0;
function send(count: number): void {
  for (let i = 0; i < count; i++) {
    const index = turn++ % topics.length;
    sentAt[index]!.push(performance.now());
    publishers[index]!.send(1);
  }
}

async function work(): Promise<LiveReport> {
  took = [];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  let going = true;
  main.once('message', () => (going = false));
  const before = turn;
  while (going) await steadily(perSecond, pieceMs, send);
  const due = (turn - before) * ports.length;
  await arrived(due, () => took.length);
  delay.disable();
  const sorted = took.sort((a, b) => a - b);
  const lost = sorted.length === due ? undefined : `${sorted.length} of ${due} live events came`;
  return {
    longest: sorted.at(-1) ?? 0,
    p99: sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0,
    late: delay.max / 1e6,
    fault: readers.find(({ fault }) => fault !== undefined)?.fault ?? lost,
  };
}

main.postMessage('ready');
for (;;) {
  await once(main, 'message');
  main.postMessage(await work());
}
