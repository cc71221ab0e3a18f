/**
 * A long-lived part of a process. `start` resolves when it serves; `drain` stops taking new work and
 * resolves when what is under way has ended; `stop` releases everything and leaves no timer behind.
 * Each may be called once, in this order; `drain` may be left out.
 */
export interface Service {
  readonly name: string;
  start(): Promise<void>;
  drain?(deadlineMs: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts in the order given, and stops in the reverse one. A part that fails to start stops those before it. */
export async function startAll(services: readonly Service[]): Promise<() => Promise<void>> {
  const running: Service[] = [];
  const stopAll = async (): Promise<void> => {
    for (const service of running.splice(0).reverse()) await service.stop();
  };
  for (const service of services) {
    try {
      await service.start();
    } catch (error) {
      await stopAll();
      throw error;
    }
    running.push(service);
  }
  return stopAll;
}
