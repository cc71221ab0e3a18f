import { Counter, Trend } from 'k6/metrics';
import type { Faults } from './numbering.ts';

export const published = new Counter('published');
export const delivered = new Counter('delivered');
/** Up by the audience of each event that was acknowledged, down by each delivery: at the end the books are balanced. */
export const owed = new Counter('owed');
export const runs = new Counter('runs');

const lost = new Counter('lost');
const repeated = new Counter('repeated');
const outOfOrder = new Counter('out_of_order');
const resumeGap = new Counter('resume_gap');
const failed = new Counter('failed');
const unfinished = new Counter('unfinished');

/** From the time that the payload carries to its arrival. */
export const deliveryMs = new Trend('delivery_ms');
/** From sending a publish to its answer. */
export const answerMs = new Trend('answer_ms');
/** From connecting again to the last event that had been missed. */
export const resumeMs = new Trend('resume_ms');
/** From asking for a run to its first chunk. */
export const firstChunkMs = new Trend('first_chunk_ms');

export function count(faults: Faults): void {
  lost.add(faults.lost);
  repeated.add(faults.repeated);
  outOfOrder.add(faults.outOfOrder);
  resumeGap.add(faults.resumeGap);
}

/** Up at the begin and down at the end: what k6 breaks off, because it took too long or threw, has checked nothing. */
export async function toItsEnd(work: () => Promise<void>): Promise<void> {
  unfinished.add(1);
  await work();
  unfinished.add(-1);
}

/** Refused, unanswered, cut off, or not what it should be. */
export function fail(what: string): void {
  failed.add(1);
  console.error(what);
}
