import type { Clock } from '../../shared/base/clock.ts';
import type { Result } from '../../shared/base/errors.ts';
import { deadlinesQueue, keepDeadline } from '../../shared/domain/swarms/deadlines.ts';
import type { Swarms } from '../../shared/domain/swarms/swarms.ts';
import type { Consumer, Engine } from '../../shared/engine/engine.ts';

/** Each takes two calls to the store. */
const slots = 16;

/** Decides proposals when their time is over, whoever else may be there to ask for them. */
export function takeDeadlines(
  engine: Pick<Engine, 'queue'>,
  swarms: Pick<Swarms, 'closeIfDue'>,
  clock: Clock,
): Promise<Result<Consumer>> {
  return engine.queue(deadlinesQueue).consume({ slots, work: ({ data }) => keepDeadline(swarms, data, clock) });
}
