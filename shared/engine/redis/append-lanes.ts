import { must } from '../../base/assert.ts';
import type { Result } from '../../base/errors.ts';
import type { Append, Appended } from '../engine.ts';
import type { Appender } from './append-batcher.ts';
import type { CommitCall } from './commit-call.ts';
import type { TopicStates } from './topic-states.ts';

/** In a cluster a call stays within one slot, so each partition gathers its own: one that is stuck holds up no other. */
export class AppendLanes implements Appender {
  readonly #states: TopicStates;
  readonly #lanes: readonly Appender[];

  constructor(states: TopicStates, lanes: readonly Appender[]) {
    this.#states = states;
    this.#lanes = lanes;
  }

  append(event: Append): Promise<Result<Appended>> {
    return this.#lane(this.#states.of(event.topic).partition).append(event);
  }

  commit(partition: number, commit: CommitCall): Promise<Result<string>> {
    return this.#lane(partition).commit(partition, commit);
  }

  start(): void {
    for (const lane of this.#lanes) lane.start();
  }

  stop(): void {
    for (const lane of this.#lanes) lane.stop();
  }

  #lane(partition: number): Appender {
    return must(this.#lanes[partition]);
  }
}
