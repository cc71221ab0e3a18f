import fc from 'fast-check';

/** The words of the protocol as plainly as they can be put: slow, recursive, on split segments. */
export function naiveMatches(pattern: string, topic: string): boolean {
  if (/^[*#]/.test(pattern) && /^(run\.|session\.|\$)/.test(topic)) return false;
  return takes(pattern.split('.'), topic.split('.'));
}

function takes(pattern: string[], topic: string[]): boolean {
  const [head, ...rest] = pattern;
  if (head === undefined) return topic.length === 0;
  if (head === '#') return takes(rest, topic) || (topic.length > 0 && takes(pattern, topic.slice(1)));
  const [first, ...others] = topic;
  return first !== undefined && (head === '*' || head === first) && takes(rest, others);
}

/** Few different segments, so that most pairs share some; the system's first segments among them. */
export const someTopic = names(['a', 'b', 'run', 'session'], ['a', 'b', 'run', '$a']);
export const somePattern = names(['a', 'b', 'run', '*', '#', '#'], ['a', 'run', 'session', '$a', '*', '#']);

function names(later: string[], first: string[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...first), fc.array(fc.constantFrom(...later), { maxLength: 4 }))
    .map(([head, rest]) => [head, ...rest].join('.'));
}
