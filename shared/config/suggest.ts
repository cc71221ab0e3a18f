/** The known name that was probably meant: the closest one, where no more than a third of the letters differ. */
export function suggest(written: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.ceil(written.replace(/^AGENTWIRE_/, '').length / 3) + 1;
  for (const name of known) {
    const distance = edits(written, name);
    if (distance < least) {
      least = distance;
      best = name;
    }
  }
  return best;
}

/** Insertions, deletions and replacements between two words (Levenshtein), one row of the table at a time. */
function edits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const replaced = (row[j] ?? 0) + (to[j] === from[i] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
