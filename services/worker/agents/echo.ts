import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import type { Agent } from '../agent.ts';
import { readInput } from './input.ts';

const form = z.union([z.string(), z.object({ text: z.string(), delayMs: z.int().min(0).max(3_600_000).default(0) })]);

/** A word with the space behind it. A very long one comes in pieces, lest one chunk be larger than an event may be. */
const piece = /\S{1,4096}\s{0,4096}|\s{1,4096}/gu;

export const echo: Agent = {
  name: 'echo',
  description: 'Says what it was told, word by word: text, or {text, delayMs} with a pause before each next word.',

  async *run({ input, signal }) {
    const asked = readInput(form, input);
    const { text, delayMs } = typeof asked === 'string' ? { text: asked, delayMs: 0 } : asked;
    for (const { 0: word, index } of text.matchAll(piece)) {
      if (index > 0 && delayMs > 0) await sleep(delayMs, undefined, { signal });
      yield word;
    }
  },
};
