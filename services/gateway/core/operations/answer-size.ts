/** An answer is cut here, and says that there is more: a thousand events of a megabyte would be a gigabyte. */
const answerBytes = 1024 * 1024;

/** How many of the items make one answer; the first always does. */
export function howManyFit<T>(items: readonly T[], sizeOf: (item: T) => number, most = answerBytes): number {
  let bytes = 0;
  const over = items.findIndex((item, i) => (bytes += sizeOf(item)) > most && i > 0);
  return over < 0 ? items.length : over;
}

export function sizeAsJson(value: unknown): number {
  return JSON.stringify(value).length;
}
