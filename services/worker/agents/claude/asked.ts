import * as z from 'zod';
import { readInput } from '../input.ts';
import { toolNames } from './tools.ts';

/**
 * The middle of the family: quick enough to be watched as it writes, and good at calling tools. The name is without a
 * date, so it goes on meaning the newest of its version.
 */
const defaultModel = 'claude-sonnet-5-5';
/** What the model thinks counts as well, so an answer needs more than its text. */
const defaultMaxTokens = 16_000;
/** An answer is held in memory while it is written, and its text has to fit into one event in the end. */
const mostMaxTokens = 64_000;

// The API refuses a text of white space alone.
const said = z.string().regex(/\S/, 'nothing is said');
const tools = z.array(z.enum(toolNames)).max(toolNames.length);

/** Strict: a misspelt `approve` must not let tools run that were to wait for somebody. */
const form = z
  .strictObject({
    text: said.exactOptional(),
    /** Another name for `text`. */
    prompt: said.exactOptional(),
    model: z
      .string()
      .regex(/^[\w.:@/-]{1,128}$/, 'that is no name of a model')
      .default(defaultModel),
    system: said.exactOptional(),
    maxTokens: z.int().min(1).max(mostMaxTokens).default(defaultMaxTokens),
    /** Those that the model may call; none where it is left out. */
    tools: tools.default([]),
    /** Whose calls wait for somebody's decision: all, or those named. */
    approve: z.union([z.boolean(), tools], { error: 'must be true, false or names of tools' }).default(false),
  })
  .refine(({ text, prompt }) => (text === undefined) !== (prompt === undefined), {
    path: ['text'],
    error: 'text and prompt are the same thing: one of them is enough',
  });

export type Asked = Omit<z.output<typeof form>, 'text' | 'prompt'> & { readonly text: string };

/** Text, or a map with the text and how it is to be answered. */
export function readAsked(input: unknown): Asked {
  const { text, prompt, ...rest } = readInput(form, typeof input === 'string' ? { text: input } : input);
  return { text: text ?? prompt ?? '', ...rest };
}
