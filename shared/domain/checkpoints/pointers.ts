import { ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Records } from '../../engine/engine.ts';

/** A checkpoint lives with its session; a record in a home of its own tells which session that is. */
const homeOfCheckpoint = (checkpoint: string): string => `checkpoint.${checkpoint}`;
const pointerKey = 'session';

export async function sessionOfCheckpoint(records: Records, checkpoint: string): Promise<Result<string | undefined>> {
  const read = await records.read(homeOfCheckpoint(checkpoint), [pointerKey]);
  return read.ok ? ok(read.value[0]?.value) : read;
}

/**
 * One that leads nowhere is `not_found`, while a checkpoint without one could not be found: so it is written first, and
 * goes by itself, after the checkpoint's time.
 */
export function point(records: Records, checkpoint: string, session: string, ttlMs: number): Promise<Result<unknown>> {
  return records.commit(homeOfCheckpoint(checkpoint), { put: [{ key: pointerKey, value: session, ttlMs }] });
}

export async function forgetPointers(records: Records, checkpoints: readonly string[]): Promise<Result<unknown>> {
  const results = await Promise.all(
    checkpoints.map((checkpoint) => records.commit(homeOfCheckpoint(checkpoint), { del: [pointerKey] })),
  );
  return results.find((result) => !result.ok) ?? ok(undefined);
}
