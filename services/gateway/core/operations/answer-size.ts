import type { Result } from '../../../../shared/base/errors.ts';

/** An answer is cut here, and says that there is more: a thousand events of a megabyte would be a gigabyte. */
const answerBytes = 1024 * 1024;

/** How many of the items make one answer; the first always does. */
export function howManyFit<T>(items: readonly T[], sizeOf: (item: T) => number): number {
  let bytes = 0;
  const over = items.findIndex((item, i) => (bytes += sizeOf(item)) > answerBytes && i > 0);
  return over < 0 ? items.length : over;
}

export function sizeAsJson(value: unknown): number {
  return JSON.stringify(value).length;
}

/** A page that makes one answer. One that is too long is read again and shorter, since only the list knows where that is gone on from. */
export async function fittingPage<P>(
  limit: number,
  read: (limit: number) => Promise<Result<P>>,
  itemsOf: (page: P) => readonly unknown[],
): Promise<Result<P>> {
  const page = await read(limit);
  if (!page.ok) return page;
  const items = itemsOf(page.value);
  const fitting = howManyFit(items, sizeAsJson);
  return fitting < items.length ? fittingPage(fitting, read, itemsOf) : page;
}
