import { fileURLToPath } from 'node:url';
import { bundledKilobytes } from '../bundle.ts';
import { steadily } from '../generator.ts';
import { startClient } from '../processes.ts';
import type { ServerProcess } from '../processes.ts';
import { Side } from '../side.ts';
import { agentwire } from '../targets.ts';
import type { Target, TargetOptions } from '../targets.ts';
import { inTurns } from './scenario.ts';
import type { Round, Sample, Scenario } from './scenario.ts';

const client = fileURLToPath(new URL('../library-client.ts', import.meta.url));
const topic = 'bench.library';
/** No more than either side can take without a backlog, which would be another measurement. */
const perSecond = 10_000;
const warmUp = 10_000;
const events = 50_000;
/** Far more than a late timer has to catch up with. */
const window = 8000;

const connections = 1000;
/** In the process that is compared with, so that what a process needs once is not counted. */
const few = 50;

export const library: Scenario = {
  name: 'library',
  about: `the client library in a process of its own, events of 200 bytes at ${perSecond}/s; bare: a WebSocket of \`ws\` and JSON.parse`,
  figures: [
    { key: 'cpu', what: 'CPU per event received', unit: 'µs', digits: 2 },
    { key: 'cpu10k', what: 'CPU per 10,000 events received', unit: 'ms', digits: 1 },
    { key: 'memory', what: 'heap and buffers per connection with one subscription', unit: 'KB', digits: 1 },
    { key: 'bundle', what: 'size as one file, minified', unit: 'KB', digits: 1 },
    { key: 'gzip', what: '… gzip', unit: 'KB', digits: 1 },
  ],
  run(options) {
    const { plain, gzip } = bundledKilobytes();
    return inTurns(
      async () => ({ ...(await round('agentwire', options)), bundle: plain, gzip }),
      () => round('bare', options),
    );
  },
};

async function round(kind: string, options: TargetOptions): Promise<Round> {
  const cpu = await cpuOf(kind, options);
  const memory = await memoryOf(kind, options);
  return { cpu, cpu10k: typeof cpu === 'string' ? cpu : cpu * 10, memory };
}

/** A gateway of its own for each reading: the events are numbered from 1 on, and each client sees that none is missing. */
async function withTarget(
  options: TargetOptions,
  work: (target: Target, publish: (count: number) => Promise<void>) => Promise<Sample>,
): Promise<Sample> {
  const side = new Side(await agentwire(1)(options), 0);
  await side.publish(1, () => [topic], window);
  const publish = async (count: number): Promise<void> => {
    await steadily(perSecond, (count / perSecond) * 1000, (some) => side.publishers[0]!.send(some));
  };
  const sample = await work(side.target, publish);
  await side.close();
  return sample;
}

function cpuOf(kind: string, options: TargetOptions): Promise<Sample> {
  return withTarget(options, async (target, publish) => {
    const application = await start(kind, target, 1, [warmUp, events]);
    const end = ended(application);
    await publish(warmUp + events);
    const { micros, fault } = await end;
    await application.stop();
    return fault || micros / events;
  });
}

/** Both processes hear the event: only a connection that gets its events is worth its memory. */
function memoryOf(kind: string, options: TargetOptions): Promise<Sample> {
  return withTarget(options, async (target, publish) => {
    const small = await start(kind, target, few, [0, 1]);
    const large = await start(kind, target, few + connections, [0, 1]);
    const ends = Promise.all([ended(small), ended(large)]);
    await publish(1);
    const [before, after] = await ends;
    await small.stop();
    await large.stop();
    return before.fault || after.fault || (after.bytes - before.bytes) / connections / 1000;
  });
}

function start(kind: string, target: Target, count: number, phases: readonly number[]): Promise<ServerProcess> {
  return startClient(client, [kind, ...[target.nodes[0]!.port, count, ...phases].map(String)]);
}

interface Ending {
  readonly micros: number;
  readonly bytes: number;
  readonly fault: string;
}

async function ended(application: ServerProcess): Promise<Ending> {
  const [line] = await application.said(/^\{"micros".*$/);
  return JSON.parse(line) as Ending;
}
