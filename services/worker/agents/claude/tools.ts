import type { Tool as ToolParam } from '@anthropic-ai/sdk/resources/messages/messages';
import * as z from 'zod';
import type { Result } from '../../../../shared/base/errors.ts';
import { fail, ok } from '../../../../shared/base/errors.ts';
import { explain } from '../../../../shared/protocol/explain.ts';
import { calculate } from './calculate.ts';

interface Tool {
  readonly description: string;
  /** JSON schema. */
  readonly schema: ToolParam.InputSchema;
  /** A failure is told to the model, which may try again with other arguments. */
  run(args: unknown, now: number): Result<unknown>;
}

function tool<S extends z.ZodObject>(
  description: string,
  form: S,
  run: (args: z.output<S>, now: number) => Result<unknown>,
): Tool {
  return {
    description,
    schema: z.toJSONSchema(form, { io: 'input' }) as ToolParam.InputSchema,
    run(args, now) {
      const parsed = form.safeParse(args);
      return parsed.success ? run(parsed.data, now) : fail('bad_request', explain(parsed.error, args, 'the input'));
    },
  };
}

/** They read nothing of the worker's and change nothing anywhere, so one that runs twice does no harm. */
const tools = {
  current_time: tool(
    'The current date and time, in UTC and in a time zone.',
    z.strictObject({
      timezone: z.string().max(64).default('UTC').describe('Name of the IANA database, such as Europe/Berlin.'),
    }),
    ({ timezone }, now) => timeIn(timezone, now),
  ),
  calculate: tool(
    'The exact value of an arithmetic expression. Use it in place of mental arithmetic.',
    z.strictObject({
      expression: z
        .string()
        .max(1000)
        .describe('Numbers, + - * / % (remainder) ^ (power) and brackets, such as (2 + 3) * 4 ^ 2.'),
    }),
    ({ expression }) => calculate(expression),
  ),
} as const satisfies Record<string, Tool>;

export type ToolName = keyof typeof tools;
export const toolNames = Object.keys(tools) as ToolName[];

/** As the API is to know them. */
export function toolsAsked(names: readonly ToolName[]): ToolParam[] {
  return [...new Set(names)].map((name) => ({
    name,
    description: tools[name].description,
    input_schema: tools[name].schema,
  }));
}

export function runTool(name: ToolName, args: unknown, now: number): Result<unknown> {
  return tools[name].run(args, now);
}

function timeIn(timezone: string, now: number): Result<unknown> {
  const at = new Date(now);
  try {
    const local = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'long', timeZone: timezone });
    return ok({ utc: at.toISOString(), local: local.format(at), timezone });
  } catch {
    return fail('bad_request', 'there is no such time zone');
  }
}
