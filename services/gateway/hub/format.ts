import type { Entry } from './entry.ts';

/**
 * How one dialect and encoding writes what the hub pushes. Called once per entry, however many receive it;
 * `null` where the dialect has no word for it. `index` counts the formats of a process from 0.
 */
export interface Format {
  readonly index: number;
  readonly name: string;
  readonly binary: boolean;
  encode(entry: Entry): Uint8Array | null;
}

/** One encoding per entry and format, whoever asks first. */
export function frameOf(entry: Entry, format: Format): Uint8Array | null {
  const made = entry.frames[format.index];
  if (made !== undefined) return made;
  const frame = format.encode(entry);
  entry.frames[format.index] = frame;
  return frame;
}
