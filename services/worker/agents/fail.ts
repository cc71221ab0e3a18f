import * as z from 'zod';
import type { Agent, AgentError } from '../agent.ts';
import { readInput } from './input.ts';

const form = z
  .object({
    /** Chunks to say before. */
    after: z.int().min(0).max(100_000).default(0),
    message: z.string().max(2000).default('failed, as it was asked to'),
    /** Attempts that fail; the next one completes. Without it, the first one fails for good. */
    times: z.int().min(0).max(1000).exactOptional(),
  })
  .nullable();

class Failing extends Error implements AgentError {
  override readonly name = 'Failing';
  readonly code = 'failed_as_asked';
  readonly retryable: boolean;

  constructor(message: string, retryable: boolean) {
    super(message);
    this.retryable = retryable;
  }
}

export const fail: Agent = {
  name: 'fail',
  description: 'Fails with {message} after so many chunks ({after}); with {times}, its first attempts only.',

  async *run({ input, attempt }) {
    const { after, message, times } = readInput(form, input) ?? form.unwrap().parse({});
    for (let said = 1; said <= after; said++) yield `${said} `;
    if (times === undefined || attempt <= times) throw new Failing(message, times !== undefined);
    return { attempt };
  },
};
