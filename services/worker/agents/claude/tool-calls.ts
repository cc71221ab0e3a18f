import type { ContentBlock, ToolResultBlockParam, ToolUseBlock } from '@anthropic-ai/sdk/resources/messages/messages';
import { fail } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import type { AgentContext, AgentOutput } from '../../agent.ts';
import type { Asked } from './asked.ts';
import { runTool } from './tools.ts';
import type { ToolName } from './tools.ts';

/**
 * Does what the model asks for, one call after the other, and gives back what to tell it. A `tool_call` is one that
 * runs: where somebody decides first, it follows the decision and has the arguments as they were approved.
 */
export async function* answerCalls(
  context: AgentContext,
  asked: Asked,
  content: readonly ContentBlock[],
  now: () => number,
): AsyncGenerator<AgentOutput, ToolResultBlockParam[], void> {
  const results: ToolResultBlockParam[] = [];
  for (const block of content) {
    if (block.type !== 'tool_use') continue;
    const told = yield* answerCall(context, asked, block, now);
    results.push({ type: 'tool_result', tool_use_id: block.id, ...told });
  }
  return results;
}

type Told = Pick<ToolResultBlockParam, 'content' | 'is_error'>;

async function* answerCall(
  context: AgentContext,
  { tools, approve }: Asked,
  { id: call, name, input }: ToolUseBlock,
  now: () => number,
): AsyncGenerator<AgentOutput, Told, void> {
  const tool = tools.find((offered) => offered === name);
  let args = input;
  let edited = '';
  if (tool !== undefined && mustAsk(approve, tool)) {
    const decision = await context.approval({ name, args });
    if (!decision.approved) {
      const why = decision.note === undefined ? '' : ` They say: ${decision.note}`;
      return { content: `The user did not allow this call.${why}`, is_error: true };
    }
    args = decision.args;
    // Else the model would take the result for that of its own arguments.
    if (!same(args, input)) edited = `The user changed the input to ${JSON.stringify(args)}. `;
  }
  yield { kind: 'tool_call', call, name, args };
  const result: Result<unknown> =
    tool === undefined ? fail('not_found', 'there is no such tool') : runTool(tool, args, now());
  yield { kind: 'tool_result', call, result: result.ok ? result.value : { error: result.message } };
  return result.ok ? { content: edited + textOf(result.value) } : { content: edited + result.message, is_error: true };
}

function mustAsk(approve: Asked['approve'], tool: ToolName): boolean {
  return typeof approve === 'boolean' ? approve : approve.includes(tool);
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
