import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { LiveReport } from './live-worker.ts';

/** Clients that stay connected and are spoken to at a steady rate, to see what else happens of them. */
export class LiveTraffic {
  readonly #worker: Worker;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  /** A subscriber of each topic on each of the ports. */
  static async start(ports: readonly number[]): Promise<LiveTraffic> {
    const worker = new Worker(new URL('live-worker.ts', import.meta.url), { workerData: { ports } });
    await once(worker, 'message');
    return new LiveTraffic(worker);
  }

  async during(work: () => Promise<void>): Promise<LiveReport> {
    this.#worker.postMessage('begin');
    await work();
    const report = once(this.#worker, 'message');
    this.#worker.postMessage('end');
    const [said] = (await report) as [LiveReport];
    return said;
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}
