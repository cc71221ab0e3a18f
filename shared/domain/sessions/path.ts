/**
 * The numbers of a session's messages, in their order, as ranges from first to last. Numbers only ever grow: what was
 * said before a restore keeps its own and is passed over, so that going back to it is a matter of going back to its path.
 */
export type Path = readonly (readonly [first: number, last: number])[];

/** Each restore may add one, and all of them are written with each message. No restore leads beyond it. */
export const mostRanges = 500;

export function lengthOf(path: Path): number {
  return path.reduce((length, [first, last]) => length + last - first + 1, 0);
}

/** With `count` messages more, numbered from `last` + 1 on. */
export function extended(path: Path, last: number, count: number): Path {
  if (count === 0) return path;
  const end = path.at(-1);
  return end?.[1] === last ? path.with(-1, [end[0], last + count]) : [...path, [last + 1, last + count]];
}

/** The numbers of those from the one place to the other, which is not among them. The first place is 0. */
export function numbersAt(path: Path, from: number, to: number): number[] {
  const numbers: number[] = [];
  let place = 0;
  for (const [first, last] of path) {
    const size = last - first + 1;
    for (let i = Math.max(from - place, 0); i < Math.min(to - place, size); i += 1) numbers.push(first + i);
    place += size;
  }
  return numbers;
}

/** The place of a number; nothing where it is not on the path. */
export function placeOn(path: Path, number: number): number | undefined {
  let place = 0;
  for (const [first, last] of path) {
    if (number >= first && number <= last) return place + number - first;
    place += last - first + 1;
  }
  return undefined;
}
