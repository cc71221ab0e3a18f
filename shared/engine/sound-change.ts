import { assert } from '../base/assert.ts';
import { homeOf } from '../topics/home.ts';
import type { Change } from './engine.ts';

/**
 * Throws for a change that no store can make. A script of Redis would raise at it half way, with what stands before it
 * written, and commits of others that travel in the same call would fail with it.
 */
export function assertSound(home: string, { put = [], rank = [], keepLists = [], append = [] }: Change): void {
  for (const { key, ttlMs = 0 } of put) assert(isWhole(ttlMs), `${key} cannot be kept for ${ttlMs} ms`);
  for (const { list, ttlMs } of keepLists) assert(isWhole(ttlMs), `the list ${list} cannot be kept for ${ttlMs} ms`);
  for (const { key, score } of rank) {
    assert(score === null || Number.isFinite(score), `${key} cannot have the place ${score}`);
  }
  for (const { topic, keep = 0, fence = 0 } of append) {
    assert(homeOf(topic) === home, `the topic ${topic} is not of the home ${home}`);
    assert(isWhole(keep) && isWhole(fence), `${topic} cannot keep ${keep} events, or have the fence ${fence}`);
  }
}

function isWhole(number: number): boolean {
  return Number.isSafeInteger(number) && number >= 0;
}
