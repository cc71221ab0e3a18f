import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: ['test/**/*.test.ts'],
    // A process each: uWebSockets.js and redis-servers started by a test end with it, also when it crashes.
    pool: 'forks',
    // More than the two cores that there are at least, for tests mostly wait: all took 408 s with 3, and 532 with 2.
    maxWorkers: 3,
    // Tests wait for conditions; this is only how long a broken one may hang. A property of the hub took 33 s of these on
    // two cores with a load of 20.
    testTimeout: 120_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
  },
});
