import type {
  CheckpointCreateRequest,
  CheckpointDiffResult,
  CheckpointListRequest,
  CheckpointListResult,
  CheckpointRecord,
  CheckpointRestoreResult,
  CheckpointResult,
  PatchOperation,
} from '../protocol/checkpoints.ts';
import type { Caller } from './calls.ts';
import { Listing } from './listing.ts';

export type NewCheckpoint = Omit<CheckpointCreateRequest, 'type' | 'id' | 'traceparent' | 'session'>;

/** `limit` is that of a page; a loop reads on. */
export type CheckpointListOptions = Partial<Pick<CheckpointListRequest, 'tag' | 'limit'>>;

/** The checkpoints of sessions. Reading is asked again after a reconnect; a second writing would be another one. */
export class Checkpoints {
  readonly #core: Caller;

  constructor(core: Caller) {
    this.#core = core;
  }

  /** Of the session's state, or of the one that is given. */
  create(session: string, options: NewCheckpoint = {}): Promise<CheckpointRecord> {
    return this.#one({ ...options, type: 'checkpoint.create', session }, false);
  }

  /** Newest first. */
  list(session: string, options: CheckpointListOptions = {}): Listing<CheckpointRecord> {
    return new Listing(async (from) => {
      const frame = { ...options, type: 'checkpoint.list', session, ...from };
      const { checkpoints, ...rest } = (await this.#core.call(frame, true)) as CheckpointListResult;
      return { ...rest, items: checkpoints };
    });
  }

  get(checkpoint: string): Promise<CheckpointRecord> {
    return this.#one({ type: 'checkpoint.get', checkpoint }, true);
  }

  /** JSON Patch, RFC 6902: what makes the state of `to` out of that of `from`. */
  async diff(from: string, to: string): Promise<PatchOperation[]> {
    const { changes } = (await this.#core.call({ type: 'checkpoint.diff', from, to }, true)) as CheckpointDiffResult;
    return changes;
  }

  /** The session as it is then, and the checkpoint of how it was before, by which this is undone. */
  restore(checkpoint: string): Promise<CheckpointRestoreResult> {
    return this.#core.call({ type: 'checkpoint.restore', checkpoint }, false) as Promise<CheckpointRestoreResult>;
  }

  async delete(checkpoint: string): Promise<void> {
    await this.#core.call({ type: 'checkpoint.delete', checkpoint }, false);
  }

  async #one(frame: Readonly<Record<string, unknown>>, again: boolean): Promise<CheckpointRecord> {
    const { checkpoint } = (await this.#core.call(frame, again)) as CheckpointResult;
    return checkpoint;
  }
}
