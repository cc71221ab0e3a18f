import exec from 'k6/execution';
import { clearTimeout, setTimeout } from 'k6/timers';
import { Connection } from './connection.ts';
import type { Push } from './connection.ts';
import { count, fail, firstChunkMs, runs } from './measures.ts';
import { setting } from './setting.ts';
import { Transcript } from './transcript.ts';
import type { RunEvent } from './transcript.ts';

interface Started {
  readonly topic: string;
}

/** What a run may take longer than its agent pauses. */
const patienceMs = 30_000;

/** One run of `echo`: followed to its end, and held against the head of its topic afterwards, so that a second end would show. */
export async function agentRun(): Promise<void> {
  const { socketUrl, profile, format } = setting();
  const { words, delayMs } = profile.agentRun;
  const text = `${format} ${exec.scenario.iterationInTest} ${Date.now()} ${'word '.repeat(words - 3)}`;
  const transcript = new Transcript(text);
  let asked = 0;
  let over: () => void = () => undefined;
  const isOver = new Promise<void>((resolve) => (over = resolve));
  const push = (push: Push): void => {
    if (push.type !== 'event') return;
    if (transcript.take(push as RunEvent & Push) === 'first chunk') firstChunkMs.add(Date.now() - asked);
    if (transcript.ended) over();
  };
  const lost = (): void => {
    fail('agent-run: a connection was lost');
    over();
  };
  try {
    await Connection.during(socketUrl, format, { push, lost }, async (connection) => {
      asked = Date.now();
      const { topic } = await connection.request<Started>({ type: 'run', agent: 'echo', input: { text, delayMs } });
      const impatience = setTimeout(over, words * delayMs + patienceMs);
      await isOver;
      clearTimeout(impatience);
      const { seq } = await connection.request<{ seq: number }>({ type: 'history', topic, limit: 1 });
      const { faults, wrong } = transcript.end(seq);
      count(faults);
      for (const what of wrong) fail(`agent-run: ${topic}: ${what}`);
      runs.add(1);
    });
  } catch (error) {
    fail(`agent-run: a run did not come through: ${String(error)}`);
  }
}
