import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import type { Agent } from '../agent.ts';
import { readInput } from './input.ts';

const form = z.object({
  from: z.int().min(0).max(1_000_000),
  intervalMs: z.int().min(0).max(3_600_000).default(1000),
});

export const countdown: Agent = {
  name: 'countdown',
  description: 'Counts {from} down to 1, a number each {intervalMs}, and says how far it is.',

  async *run(context) {
    const { from, intervalMs } = readInput(form, context.input);
    for (let left = from; left > 0; left--) {
      const percent = (100 * (from - left + 1)) / from;
      context.progress({ percent, step: String(left), etaMs: (left - 1) * intervalMs });
      yield `${left} `;
      if (left > 1 && intervalMs > 0) await sleep(intervalMs, undefined, { signal: context.signal });
      // Somebody may have paused it during the interval: then the next number comes after that, not before.
      await context.pausePoint();
    }
  },
};
