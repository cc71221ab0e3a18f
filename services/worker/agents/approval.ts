import * as z from 'zod';
import type { Agent } from '../agent.ts';
import { readInput } from './input.ts';

const form = z.object({ name: z.string().min(1).max(256).default('action'), args: z.unknown().default(null) });

export const approval: Agent = {
  name: 'approval',
  description: 'Asks for approval of one call, {name, args}, and completes with the decision.',

  async *run(context) {
    const { input } = context;
    const call = readInput(form, typeof input === 'object' && input !== null ? input : { args: input });
    const { approved, note, args } = await context.approval({ name: call.name, args: call.args });
    yield approved ? 'approved' : 'rejected';
    return { decision: approved ? 'approve' : 'reject', ...(note === undefined ? {} : { note }), args };
  },
};
