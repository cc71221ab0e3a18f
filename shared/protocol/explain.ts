import type * as z from 'zod';

type Issue = z.core.$ZodIssue;

const longest = 200;

/**
 * One fault, in one short sentence that begins with the field: `topics[0].since.time must be a number`. `whole` is what
 * it begins with where no field is wrong but all of it.
 */
export function explain(error: z.ZodError, frame: unknown, whole = 'the request'): string {
  const first = error.issues[0];
  if (first === undefined) return `${whole} is not valid`;
  const { issue, path } = innermost(first, [], frame);
  const name = fieldName(path, whole);
  const text = `${name} ${complaint(issue, valueAt(frame, path))}`;
  // Names of fields may come from the client, so they may be of any length.
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

/**
 * No form of a union fitted: speak of the one that came nearest, which is one whose fault lies inside the value rather
 * than in its kind, in a field that is there rather than in one that other forms do without, and of those the one with
 * the fewest faults. None: speak of the union itself.
 */
function innermost(issue: Issue, base: PropertyKey[], frame: unknown): { issue: Issue; path: PropertyKey[] } {
  const path = [...base, ...issue.path];
  if (issue.code !== 'invalid_union') return { issue, path };
  const isThere = (inner: Issue): boolean => valueAt(frame, [...path, ...inner.path]) !== undefined;
  let nearest: { faults: Issue[]; there: boolean } | undefined;
  for (const form of issue.errors) {
    const faults = form.filter((inner) => inner.path.length > 0);
    if (faults.length === 0) continue;
    const there = faults.some(isThere);
    const asNear = nearest?.there === there;
    if (!nearest || (asNear ? faults.length < nearest.faults.length : there)) nearest = { faults, there };
  }
  const next = nearest?.faults.find((inner) => !nearest.there || isThere(inner));
  return next === undefined ? { issue, path } : innermost(next, path, frame);
}

function complaint(issue: Issue, value: unknown): string {
  if (value === undefined) return 'is missing';
  if (issue.code === 'invalid_type') return `must be ${article(issue.expected)}`;
  if (issue.code === 'invalid_union')
    return issue.message === 'Invalid input' ? 'has none of the forms that it may have' : issue.message;
  return `is refused: ${issue.message.charAt(0).toLowerCase()}${issue.message.slice(1)}`;
}

function article(expected: string): string {
  if (expected === 'record' || expected === 'object') return 'a map';
  if (expected === 'int') return 'an integer';
  return expected === 'array' ? 'an array' : `a ${expected}`;
}

function fieldName(path: readonly PropertyKey[], whole: string): string {
  let name = '';
  for (const step of path) {
    if (typeof step === 'number') name += `[${step}]`;
    else name += name === '' ? String(step) : `.${String(step)}`;
  }
  return name === '' ? whole : name;
}

function valueAt(frame: unknown, path: readonly PropertyKey[]): unknown {
  let value = frame;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[step];
  }
  return value;
}
