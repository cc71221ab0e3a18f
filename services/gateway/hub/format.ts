import type { Entry } from './entry.ts';

/**
 * How one dialect and encoding writes what the hub pushes. Called once per entry, however many receive it;
 * `null` where the dialect has no word for it.
 */
export interface Format {
  /** From `nextFormatIndex`: where an entry keeps its frame in this format. */
  readonly index: number;
  readonly name: string;
  readonly binary: boolean;
  encode(entry: Entry): Uint8Array | null;
}

let formats = 0;

/** Counts the formats of the process from 0, whoever makes them: two with the same number would send each other's frames. */
export function nextFormatIndex(): number {
  return formats++;
}

/** One encoding per entry and format, whoever asks first. */
export function frameOf(entry: Entry, format: Format): Uint8Array | null {
  const made = entry.frames?.[format.index];
  if (made !== undefined) return made;
  const frame = format.encode(entry);
  // As long as it has to be: an array that grows takes room for seventeen.
  if (!entry.frames) entry.frames = format.index === 0 ? [frame] : Array.from({ length: format.index + 1 });
  entry.frames[format.index] = frame;
  return frame;
}
