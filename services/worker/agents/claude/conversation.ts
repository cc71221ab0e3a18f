import type { MessageParam } from '@anthropic-ai/sdk/resources/messages/messages';
import { isMap } from '../../../../shared/protocol/common.ts';
import type { Message } from '../../../../shared/protocol/sessions.ts';
import type { AgentSession } from '../../agent.ts';

/** What the model is told of the session: the last messages, as many as both bounds allow. The prompt comes on top. */
const mostMessages = 100;
/** About 50,000 tokens of English: leaves most of any model's context to the prompt, the tools and the answer. */
const mostCharacters = 200_000;

type Turn = MessageParam & { role: 'user' | 'assistant'; content: string };

/** The session's thread so far, then the prompt. The API wants the user first, and then the two in turn. */
export async function conversationOf(session: AgentSession | undefined, prompt: string): Promise<MessageParam[]> {
  const kept = session === undefined ? [] : fitting(turnsOf(await session.messages(mostMessages)));
  const first = kept.findIndex(({ role }) => role === 'user');
  return joined([...(first < 0 ? [] : kept.slice(first)), { role: 'user', content: prompt }]);
}

/** Other agents of the session may have said what is no text, or in a role that the API does not know: left out. */
function turnsOf(messages: readonly Message[]): Turn[] {
  return messages.flatMap(({ role, content }) => {
    const text = textOf(content);
    return (role === 'user' || role === 'assistant') && /\S/.test(text) ? [{ role, content: text }] : [];
  });
}

/** Of an input that was a map, what was said in it; of blocks as the API knows them, those that are text. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (Array.isArray(content)) return content.map(textOf).filter(Boolean).join('\n\n');
  if (!isMap(content)) return '';
  return [content.text, content.prompt].find((text) => typeof text === 'string') ?? '';
}

/** The newest. It stops at the first that is too much, lest there be a hole in the conversation. */
function fitting(turns: readonly Turn[]): Turn[] {
  let characters = 0;
  const last = turns.findLastIndex(({ content }) => (characters += content.length) > mostCharacters);
  return turns.slice(last + 1);
}

/** A run that was cancelled early has left a question without an answer, so the next one follows it. */
function joined(turns: readonly Turn[]): Turn[] {
  const merged: Turn[] = [];
  for (const turn of turns) {
    const last = merged.at(-1);
    if (last?.role === turn.role) last.content += `\n\n${turn.content}`;
    else merged.push({ ...turn });
  }
  return merged;
}
