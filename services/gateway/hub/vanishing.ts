import { ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import type { TopicLog } from '../../../shared/engine/engine.ts';

export interface VanishingPorts {
  readonly log: Pick<TopicLog, 'heads'>;
  /** Is the topic that of a run that goes on? */
  goesOn(topic: string): Promise<Result<boolean>>;
}

/**
 * Those of these topics, of which the store knew nothing a moment ago, on which nothing follows. A numbering runs out, or
 * is evicted, while its run waits for somebody: what that says next begins another one. A run that ended between the two
 * questions has begun it with its end, so the heads are asked for once more.
 */
export async function goneOf(topics: readonly string[], ports: VanishingPorts): Promise<Result<string[]>> {
  const answers = await Promise.all(topics.map((topic) => ports.goesOn(topic)));
  const over: string[] = [];
  for (const [i, goesOn] of answers.entries()) {
    if (!goesOn.ok) return goesOn;
    if (!goesOn.value) over.push(topics[i]!);
  }
  if (over.length === 0) return ok(over);
  const again = await ports.log.heads(over.map((topic) => ({ topic })));
  return again.ok ? ok(over.filter((_, i) => again.value.heads[i]?.epoch === '')) : again;
}
