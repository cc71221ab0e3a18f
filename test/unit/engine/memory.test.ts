import { ManualClock } from '../../../shared/base/clock.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import { engineSuite } from '../../contracts/engine-suite.ts';

const retention = { historySize: 1000, historyTtlMs: 3_600_000, metaTtlMs: 86_400_000 };

engineSuite('the memory engine', async () => {
  const clock = new ManualClock();
  const engine = createMemoryEngine({ ...retention, clock });
  return { engine, advance: (ms) => clock.advance(ms), close: async () => undefined };
});
