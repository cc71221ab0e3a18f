import { Anthropic } from '@anthropic-ai/sdk';
import type { Message, MessageStreamParams } from '@anthropic-ai/sdk/resources/messages/messages';
import type { Clock } from '../../../../shared/base/clock.ts';
import type { AgentContext } from '../../agent.ts';
import { ClaudeError } from './claude-error.ts';
import { failureOf } from './failure.ts';
import type { ApiFailure } from './failure.ts';
import { longestSilenceMs, Silence } from './silence.ts';
import type { Spending } from './spending.ts';

/** Within one attempt of the run, and only while nothing of the answer was heard. */
const mostTries = 3;
const firstWaitMs = 500;

export interface ApiOptions {
  readonly apiKey: string;
  readonly baseUrl: string | undefined;
  readonly clock: Clock;
}

/** Yields the text as it comes, and gives back the message when it is whole. Throws what fails the run. */
export async function* streamAnswer(
  { apiKey, baseUrl, clock }: ApiOptions,
  body: MessageStreamParams,
  spending: Spending,
  context: Pick<AgentContext, 'signal' | 'log' | 'progress' | 'pausePoint'>,
): AsyncGenerator<string, Message, void> {
  const { signal, log } = context;
  for (let tries = 1; ; tries++) {
    await context.pausePoint();
    const silence = new Silence(clock);
    const client = new Anthropic({
      apiKey,
      baseURL: baseUrl ?? null,
      fetch: silence.fetch,
      // The tries are counted here: the SDK would wait for as long as a server says, be it days.
      maxRetries: 0,
      logLevel: 'off',
    });
    let spoken = false;
    let failure: ApiFailure;
    try {
      const stream = client.messages.stream(body, { signal: AbortSignal.any([signal, silence.signal]) });
      // It reads on while the run is paused: what it holds then is bounded by max_tokens, and the API would not wait.
      const whole = stream.finalMessage();
      // Where the loop below throws, nobody awaits it any more.
      whole.catch(() => {});
      spending.begin();
      for await (const event of stream) {
        if (event.type === 'content_block_delta' && event.delta.type === 'text_delta' && event.delta.text !== '') {
          spoken = true;
          yield event.delta.text;
        } else if (event.type === 'message_start' || event.type === 'message_delta') {
          if (stream.currentMessage) spending.came(stream.currentMessage.usage);
        }
      }
      // The loop ends without a word where the failure came while nobody waited for an event.
      const message = await whole;
      spending.came(message.usage);
      return message;
    } catch (thrown) {
      signal.throwIfAborted();
      failure = silence.signal.aborted ? silent() : failureOf(thrown, apiKey);
    } finally {
      silence.end();
    }
    const { error, details } = failure;
    log.warn('the Messages API failed', { code: error.code, says: error.message, tries, ...details });
    // Chunks that are out are void only with a new attempt of the run.
    if (!error.retryable || spoken || tries === mostTries) throw error;
    const waitMs = failure.waitMs ?? firstWaitMs * 2 ** (tries - 1) * (1 + Math.random() / 4);
    context.progress({ note: `${error.message}; trying again` });
    await after(clock, waitMs, signal);
  }
}

function silent(): ApiFailure {
  const message = `the Messages API said nothing for ${longestSilenceMs / 1000} s`;
  return { error: new ClaudeError('unavailable', message, true), waitMs: undefined, details: {} };
}

function after(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.later(ms, () => {
      signal.removeEventListener('abort', aborted);
      resolve();
    });
    const aborted = (): void => {
      cancel();
      reject(signal.reason);
    };
    signal.addEventListener('abort', aborted, { once: true });
  });
}
