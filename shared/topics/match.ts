import { isSystemTopic } from './grammar.ts';

const star = 0x2a;
const hash = 0x23;

export function startsWithWildcard(pattern: string): boolean {
  const first = pattern.charCodeAt(0);
  return first === star || first === hash;
}

/**
 * Does the pattern match the topic? Both must have passed the grammar. Walks both strings in place and allocates
 * nothing. Only the last `#` is ever tried again: what an earlier one could take, the last one can take as well. So
 * the cost is at most the product of the two lengths, also for `#.#.#.a`.
 */
export function matches(pattern: string, topic: string): boolean {
  if (startsWithWildcard(pattern) && isSystemTopic(topic)) return false;
  let p = 0;
  let t = 0;
  let retryPattern = -1;
  let retryTopic = 0;
  while (t <= topic.length) {
    if (p <= pattern.length) {
      const code = pattern.charCodeAt(p);
      if (code === hash) {
        p += 2;
        retryPattern = p;
        retryTopic = t;
        continue;
      }
      const topicEnd = segmentEnd(topic, t);
      const patternEnd = segmentEnd(pattern, p);
      if (code === star || sameSegment(pattern, p, patternEnd, topic, t, topicEnd)) {
        p = patternEnd + 1;
        t = topicEnd + 1;
        continue;
      }
    }
    if (retryPattern < 0) return false;
    retryTopic = segmentEnd(topic, retryTopic) + 1;
    p = retryPattern;
    t = retryTopic;
  }
  while (pattern.charCodeAt(p) === hash) p += 2;
  return p > pattern.length;
}

function segmentEnd(name: string, start: number): number {
  const end = name.indexOf('.', start);
  return end < 0 ? name.length : end;
}

function sameSegment(a: string, aStart: number, aEnd: number, b: string, bStart: number, bEnd: number): boolean {
  if (aEnd - aStart !== bEnd - bStart) return false;
  for (let i = aStart, j = bStart; i < aEnd; i++, j++) {
    if (a.charCodeAt(i) !== b.charCodeAt(j)) return false;
  }
  return true;
}
