import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Agent } from '../../services/worker/agent.ts';

/** Says in which process it runs, and goes on until it is stopped; with {attempts}, the last of them completes. */
const where: Agent = {
  name: 'where',
  description: 'Says the process it is in, and waits for its signal.',
  async *run({ attempt, input, signal }) {
    yield String(process.pid);
    const { attempts } = (input ?? {}) as { attempts?: number };
    if (attempt !== attempts) await sleep(3_600_000, undefined, { signal });
  },
};

/** As `where`, and cannot be stopped. */
const deaf: Agent = {
  name: 'deaf',
  description: 'Says the process it is in, and never heeds its signal.',
  async *run() {
    yield String(process.pid);
    for (;;) {
      await sleep(20);
      yield 'still here ';
    }
  },
};

/**
 * In its first attempt it keeps its process from everything until there is a file {awake}, then goes on as if nothing had
 * been; the others end when there is a file {end}.
 */
const blocking: Agent = {
  name: 'blocking',
  description: 'Blocks its process in its first attempt.',
  async *run({ attempt, input, signal }) {
    yield `${attempt} begins `;
    const { awake, end } = input as { awake: string; end: string };
    if (attempt === 1) {
      // What was said is on its way by then.
      await sleep(200, undefined, { signal });
      while (!existsSync(awake));
    } else {
      while (!existsSync(end)) await sleep(20, undefined, { signal });
    }
    for (let i = 0; i < 5; i += 1) {
      yield `${attempt} goes on `;
      await sleep(10);
    }
  },
};

/** Says its text word by word, when there is a file {open}. */
const gated: Agent = {
  name: 'gated',
  description: 'Waits for a file, and then says its text.',
  async *run({ input, signal }) {
    const { open, text, delayMs } = input as { open: string; text: string; delayMs: number };
    while (!existsSync(open)) await sleep(50, undefined, { signal });
    for (const word of text.match(/\S+ /g) ?? []) {
      yield word;
      await sleep(delayMs, undefined, { signal });
    }
  },
};

const deadly: Agent = {
  name: 'deadly',
  description: 'Kills its process.',
  async *run() {
    process.kill(process.pid, 'SIGKILL');
    yield await new Promise<never>(() => {});
  },
};

export default [where, deaf, blocking, gated, deadly];
