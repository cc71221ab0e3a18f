import { AgentwireClient } from '../../../shared/client/index.ts';
import { arrived, Connection, openAll } from '../generator.ts';
import { cpuMicros } from '../processes.ts';
import { RunCluster } from '../run-cluster.ts';
import { agentwireFrames, eventBytes } from '../targets.ts';
import type { TargetOptions } from '../targets.ts';
import { textFrame } from '../ws-frames.ts';
import { figuresOf, generatorFigure, generatorShare, inRounds } from './scenario.ts';
import type { Round, Sample, Scenario } from './scenario.ts';

const connections = 8;
/** Of one connection, from a request to its answer. */
const window = 8;
const many = 256;
const warmUp = 500;
/** With those of the warm-up no more than are kept of one session, so that none is pushed out. */
const counted = 5000;
/** As many as are kept of one session. */
const listed = 10_000;
/** 10,000 bytes as JSON. */
const large = { notes: 'x'.repeat(9988) };
/** A page has 1 MiB at most: with large ones it would end there, whatever its limit. */
const small = { step: 1 };

export const checkpoints: Scenario = {
  name: 'checkpoints',
  about: `checkpoints of 10 KB through one gateway, ${connections * window} on their way, of one session and of ${many}; and a list of 10,000 small ones, read to its end by the client library`,
  figures: [
    { key: 'many', what: `checkpoints of ${many} sessions`, unit: '/s', digits: 0 },
    generatorFigure,
    { key: 'gateway', what: 'CPU per checkpoint, gateway', unit: 'µs', digits: 0 },
    { key: 'redis', what: 'CPU per checkpoint, Redis', unit: 'µs', digits: 0 },
    { key: 'one', what: 'checkpoints of one session', unit: '/s', digits: 0 },
    { key: 'pages100', what: 'list of 10,000, pages of 100', unit: 'ms', digits: 0 },
    { key: 'pages1000', what: 'list of 10,000, pages of 1,000', unit: 'ms', digits: 0 },
  ],
  run: (options) => inRounds(() => round(options)),
};

/** A Redis of its own for each round, since what is written stays. */
async function round(options: TargetOptions): Promise<Round> {
  const cluster = await RunCluster.start(options);
  const writing = await Writing.open(cluster);
  await writing.write('first', many, warmUp, large);
  const ofMany = await writing.write('many', many, counted, large);
  await writing.write('one', 1, warmUp, large);
  const ofOne = await writing.write('one', 1, counted, large);
  await writing.write('listed', 1, listed, small);
  writing.close();
  const pages100 = await timeOfList(cluster.gateway.port, 100);
  const pages1000 = await timeOfList(cluster.gateway.port, 1000);
  await cluster.stop();
  return {
    ...figuresOf(ofMany, {
      many: ({ seconds }) => counted / seconds,
      generator: generatorShare,
      gateway: ({ gateway }) => gateway / counted,
      redis: ({ redis }) => redis / counted,
    }),
    ...figuresOf(ofOne, { one: ({ seconds }) => counted / seconds }),
    pages100,
    pages1000,
  };
}

/** Processor time in microseconds. */
interface Spent {
  readonly seconds: number;
  readonly gateway: number;
  readonly redis: number;
  readonly generator: number;
}

class Writing {
  readonly #cluster: RunCluster;
  readonly #open: readonly Connection[];
  /** How many there should be by now, by session. */
  readonly #due = new Map<string, number>();

  private constructor(cluster: RunCluster, open: readonly Connection[]) {
    this.#cluster = cluster;
    this.#open = open;
  }

  static async open(cluster: RunCluster): Promise<Writing> {
    const { port } = cluster.gateway;
    return new Writing(
      cluster,
      await openAll(connections, () => Connection.open(port, agentwireFrames.path, eventBytes)),
    );
  }

  /** So many checkpoints, of `sessions` in turn. A string says what went wrong. */
  async write(name: string, sessions: number, count: number, state: object): Promise<Spent | string> {
    const names = Array.from({ length: sessions }, (_, i) => `${name}-${i}`);
    await Promise.all(names.map((session) => this.#make(session)));
    const frames = names.map((session) =>
      textFrame(JSON.stringify({ type: 'checkpoint.create', id: 1, session, state })),
    );
    const { gateway, redisPid } = this.#cluster;
    const [gatewayBefore, redisBefore] = [cpuMicros(gateway.pid), cpuMicros(redisPid)];
    const ownBefore = process.cpuUsage();
    const start = performance.now();
    await this.#send(frames, count);
    const seconds = (performance.now() - start) / 1000;
    const own = process.cpuUsage(ownBefore);
    for (let i = 0; i < count; i++) {
      const session = names[i % sessions]!;
      this.#due.set(session, (this.#due.get(session) ?? 0) + 1);
    }
    const spent = {
      seconds,
      gateway: cpuMicros(gateway.pid) - gatewayBefore,
      redis: cpuMicros(redisPid) - redisBefore,
      generator: own.user + own.system,
    };
    return (await this.#faultIn(names)) ?? spent;
  }

  close(): void {
    for (const connection of this.#open) connection.close();
  }

  async #make(session: string): Promise<void> {
    if (this.#due.has(session)) return;
    this.#due.set(session, 0);
    const body = JSON.stringify({ session });
    const { status } = await fetch(this.#urlOf('/v1/sessions'), { method: 'POST', body });
    if (status !== 201) throw new Error(`a session was refused with ${status}`);
  }

  async #send(frames: readonly Buffer[], count: number): Promise<void> {
    let sent = 0;
    let answered = 0;
    const sendOn = (connection: Connection, some: number): void => {
      for (let i = 0; i < some && sent < count; i++) connection.send(frames[sent++ % frames.length]!);
    };
    for (const connection of this.#open) {
      connection.onFrames = (some) => {
        answered += some;
        sendOn(connection, some);
      };
      sendOn(connection, window);
    }
    await arrived(count, () => answered);
  }

  /** An answer may be an error: what counts is how many were told of. */
  async #faultIn(names: readonly string[]): Promise<string | undefined> {
    let [kept, due] = [0, 0];
    for (const session of names) {
      const answer = await fetch(this.#urlOf(`/v1/topics/session.${session}.checkpoints/events?limit=1`));
      kept += ((await answer.json()) as { seq: number }).seq;
      due += this.#due.get(session) ?? 0;
    }
    return kept === due ? undefined : `${kept} checkpoints of ${due}`;
  }

  #urlOf(path: string): string {
    return `http://127.0.0.1:${this.#cluster.gateway.port}${path}`;
  }
}

/** In milliseconds, in this process: decoding the pages is in it. */
async function timeOfList(port: number, limit: number): Promise<Sample> {
  const client = new AgentwireClient({ url: `ws://127.0.0.1:${port}` });
  await client.connect();
  const start = performance.now();
  let count = 0;
  for await (const _ of client.checkpoints.list('listed-0', { limit })) count += 1;
  const ms = performance.now() - start;
  await client.close();
  return count === listed ? ms : `${count} checkpoints in the list of ${listed}`;
}
