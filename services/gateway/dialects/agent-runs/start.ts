import type { Result } from '../../../../shared/base/errors.ts';
import type { Asker } from '../../core/client.ts';
import type { OutputOf } from '../../core/operations.ts';
import { inputOf } from '../../core/text-input.ts';
import type { RunFrame } from './frames.ts';

/** A run of the message in the session, which is made where there is none of that id. */
export function startRun(
  asker: Asker,
  session: string,
  { newMessage, agent }: RunFrame,
  done: (started: Result<OutputOf<'run'>>) => void,
): void {
  const text = newMessage.parts.map((part) => part.text).join('');
  asker.perform('session.ensure', { session }, (ensured) => {
    if (!ensured.ok) {
      done(ensured);
      return;
    }
    const known = ensured.value.session;
    const chosen = agent ?? known.agent ?? asker.settings.defaultAgent;
    asker.perform('run', { agent: chosen, session, ...inputOf(text) }, done);
  });
}
