import type { Message, MessageStreamParams } from '@anthropic-ai/sdk/resources/messages/messages';
import { realClock } from '../../../../shared/base/clock.ts';
import type { Clock } from '../../../../shared/base/clock.ts';
import type { Agent } from '../../agent.ts';
import { readAsked } from './asked.ts';
import { ClaudeError } from './claude-error.ts';
import { conversationOf } from './conversation.ts';
import { Spending } from './spending.ts';
import { answerCalls } from './tool-calls.ts';
import { toolsAsked } from './tools.ts';

/** Answers of one run: a model that goes in circles must come to an end, and costs money until then. */
const mostAnswers = 10;

export interface ClaudeOptions {
  readonly apiKey: string | undefined;
  readonly baseUrl: string | undefined;
  readonly clock?: Clock;
}

export function claude({ apiKey, baseUrl, clock = realClock }: ClaudeOptions): Agent {
  return {
    name: 'claude',
    description:
      'Asks a model by the Anthropic Messages API: text, or {text, model, system, maxTokens, tools, approve}.',

    async *run(context) {
      const key = keyOf(apiKey);
      const asked = readAsked(context.input);
      const { model, system, maxTokens, tools } = asked;
      const messages = await conversationOf(context.session, asked.text);
      const body: MessageStreamParams = {
        model,
        max_tokens: maxTokens,
        messages,
        ...(system === undefined ? {} : { system }),
        ...(tools.length === 0 ? {} : { tools: toolsAsked(tools) }),
      };
      const spending = new Spending(({ ...spent }) => context.usage(spent));
      // Only now: the SDK takes up to 250 ms and 26 MB to load, which a worker without a key need not pay.
      const { streamAnswer } = await import('./messages-api.ts');
      const api = { apiKey: key, baseUrl, clock };
      for (let answers = 1; ; answers++) {
        const message = yield* streamAnswer(api, body, spending, context);
        if (message.stop_reason !== 'tool_use') return resultOf(message, spending);
        if (answers === mostAnswers) {
          throw new ClaudeError('tool_limit', `the model still wanted to call tools after ${mostAnswers} answers`);
        }
        // What it says before a call and after it would run together.
        if (textOf(message) !== '') yield '\n\n';
        const results = yield* answerCalls(context, asked, message.content, () => clock.now());
        messages.push({ role: 'assistant', content: message.content }, { role: 'user', content: results });
      }
    },
  };
}

function keyOf(apiKey: string | undefined): string {
  if (apiKey === undefined) {
    throw new ClaudeError(
      'no_api_key',
      'claude needs a key of the Anthropic API: start the worker with ANTHROPIC_API_KEY',
    );
  }
  // It would be refused as a header, with a message that holds the key.
  if (!/^[!-~]+$/.test(apiKey))
    throw new ClaudeError('unauthenticated', 'ANTHROPIC_API_KEY is not of the form of a key');
  return apiKey;
}

function resultOf(message: Message, { spent }: Spending): unknown {
  const why = message.stop_details?.explanation;
  return {
    text: textOf(message),
    stopReason: message.stop_reason,
    ...(why ? { refusal: why } : {}),
    usage: spent,
    model: message.model,
  };
}

/** Of the last answer: what was said before tools were called is in the chunks. */
function textOf({ content }: Message): string {
  return content.map((block) => (block.type === 'text' ? block.text : '')).join('');
}
