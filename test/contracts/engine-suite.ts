import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Bench } from './engine-bench.ts';
import type { EngineUnderTest } from './engine-bench.ts';
import { commitPromises } from './engine-commit.ts';
import { livePromises } from './engine-live.ts';
import { logPromises } from './engine-log.ts';
import { membershipPromises } from './engine-membership.ts';
import { modelPromises } from './engine-model.ts';
import { queuePromises } from './engine-queue.ts';
import { readingPromises } from './engine-reading.ts';
import { recordPromises } from './engine-records.ts';
import { sharingPromises } from './engine-sharing.ts';
import { signalPromises } from './engine-signals.ts';

/**
 * Holds an engine to the words of shared/engine/engine.ts. `make` is called for each test. It gives an engine that is
 * not started: the suite sets the listener, starts it and stops it.
 */
export function engineSuite(name: string, make: () => Promise<EngineUnderTest>): void {
  describe(`${name} keeps the promises of an engine`, () => {
    let open: Bench | undefined;
    const bench = (): Bench => open!;
    beforeEach(async () => {
      open = await Bench.open(make);
    });
    afterEach(async () => {
      await open?.close();
      open = undefined;
    });

    test('it is ready from when it was started until it was stopped', async () => {
      const under = await make();
      under.engine.log.listen({ live: () => undefined, disturbed: () => undefined });
      expect(under.engine.ready()).toBe(false);
      await under.engine.start();
      expect(under.engine.ready()).toBe(true);
      await under.engine.stop();
      expect(under.engine.ready()).toBe(false);
      await under.close();
    });

    describe('appending', () => {
      logPromises(bench);
    });
    describe('reading', () => {
      readingPromises(bench);
    });
    describe('live delivery', () => {
      livePromises(bench);
    });
    describe('records', () => {
      recordPromises(bench);
    });
    describe('commits', () => {
      commitPromises(bench);
    });
    describe('leases', () => {
      membershipPromises(bench);
    });
    describe('signals and counters', () => {
      signalPromises(bench);
    });
    describe('queues', () => {
      queuePromises(bench);
    });
    describe('against a model', () => {
      modelPromises(bench);
    });
    describe('two engines on one store (skipped where an engine does not share its store)', () => {
      sharingPromises(bench);
    });
  });
}
