import exec from 'k6/execution';
import { clearTimeout, setTimeout } from 'k6/timers';
import { Connection } from './connection.ts';
import type { Push } from './connection.ts';
import { Transcript } from './transcript.ts';
import { count, fail, firstChunkMs, runs } from './measures.ts';
import { setting } from './setting.ts';

interface Started {
  readonly invocation: string;
  readonly topic: string;
}

/** What a run may take longer than its agent pauses. */
const patienceMs = 30_000;

/** One run of `echo`: followed to its end, which is read again afterwards, so that a second end would show. */
export async function agentRun(): Promise<void> {
  const { socketUrl, profile, format } = setting();
  const { words, delayMs } = profile.agentRun;
  const at = Date.now();
  const text = `${format} ${exec.scenario.iterationInTest} ${at} ${'word '.repeat(words - 3)}`;
  const transcript = new Transcript(text);
  try {
    let ended: () => void = () => undefined;
    const end = new Promise<void>((resolve) => (ended = resolve));
    const connection = await Connection.open(socketUrl, format, {
      push: (push) => {
        if (push.type !== 'event') return;
        if (transcript.take(push as Push & { data: { kind: string } }) === 'first chunk')
          firstChunkMs.add(Date.now() - asked);
        if (transcript.ended) ended();
      },
      lost: () => {
        fail('agent-run: a connection was lost');
        ended();
      },
    });
    const asked = Date.now();
    const { topic } = await connection.request<Started>({ type: 'run', agent: 'echo', input: { text, delayMs } });
    const impatience = setTimeout(ended, words * delayMs + patienceMs);
    await end;
    clearTimeout(impatience);
    const head = await connection.request<{ seq: number }>({ type: 'history', topic, limit: 1 });
    await connection.close();
    const { faults, wrong } = transcript.end(head.seq);
    count(faults);
    for (const what of wrong) fail(`agent-run: ${topic}: ${what}`);
    runs.add(1);
  } catch (error) {
    fail(`agent-run: a run did not come through: ${String(error)}`);
  }
}
