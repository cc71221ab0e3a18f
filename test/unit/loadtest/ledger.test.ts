import { describe, expect, test } from 'vitest';
import { Ledger } from '../../../loadtest/k6/ledger.ts';
import type { LoadEvent } from '../../../loadtest/k6/ledger.ts';

const faultless = { lost: 0, repeated: 0, outOfOrder: 0, resumeGap: 0 };

/** Of two events of each publisher: `a1 b1 a2 b2`, as they are numbered by the topic. */
function event(seq: number, content: string, epoch = 'e'): LoadEvent {
  return { seq, epoch, data: { publisher: content[0]!, number: Number(content[1]), of: 2, at: 0 } };
}

function ledgerOf(...events: readonly LoadEvent[]): Ledger {
  const ledger = new Ledger({ seq: 0, epoch: '' });
  for (const one of events) ledger.take(one);
  return ledger;
}

describe('the ledger of a topic', () => {
  test('is content with every event once and in order', () => {
    const ledger = ledgerOf(event(1, 'a1'), event(2, 'b1'), event(3, 'a2'), event(4, 'b2'));
    expect(ledger.position).toEqual({ seq: 4, epoch: 'e' });
    expect(ledger.end({ seq: 4, epoch: 'e' })).toEqual(faultless);
  });

  test('counts a lost event once, although both rows of numbers lack it', () => {
    const ledger = ledgerOf(event(1, 'a1'), event(3, 'a2'));
    expect(ledger.end({ seq: 3, epoch: 'e' })).toEqual({ ...faultless, lost: 1 });
  });

  test('finds an event that the broker acknowledged and numbered past', () => {
    const ledger = ledgerOf(event(1, 'a1'), event(2, 'b2'), event(3, 'a2'));
    expect(ledger.end({ seq: 3, epoch: 'e' })).toEqual({ ...faultless, lost: 1 });
  });

  test('finds the last event of a publisher missing, although the topic has no hole', () => {
    expect(ledgerOf(event(1, 'a1')).end({ seq: 1, epoch: 'e' })).toEqual({ ...faultless, lost: 1 });
  });

  test('counts an event that came twice once', () => {
    const ledger = ledgerOf(event(1, 'a1'), event(1, 'a1'), event(2, 'a2'));
    expect(ledger.end({ seq: 2, epoch: 'e' })).toEqual({ ...faultless, repeated: 1 });
  });

  test('finds an event that the broker kept twice', () => {
    const ledger = ledgerOf(event(1, 'a1'), event(2, 'a1'), event(3, 'a2'));
    expect(ledger.end({ seq: 3, epoch: 'e' })).toEqual({ ...faultless, repeated: 1 });
  });

  test('counts an event that came late once', () => {
    const ledger = ledgerOf(event(2, 'a2'), event(1, 'a1'));
    expect(ledger.end({ seq: 2, epoch: 'e' })).toEqual({ ...faultless, outOfOrder: 1 });
  });

  test('finds events of a publisher that the broker numbered the wrong way round', () => {
    const ledger = ledgerOf(event(1, 'a2'), event(2, 'a1'));
    expect(ledger.end({ seq: 2, epoch: 'e' })).toEqual({ ...faultless, outOfOrder: 1 });
  });

  test('counts what is missing behind the position of a return as a gap, and not as lost', () => {
    const ledger = ledgerOf(event(1, 'a1'));
    ledger.comeBack();
    ledger.take(event(3, 'b1'));
    ledger.take(event(4, 'b2'));
    expect(ledger.end({ seq: 4, epoch: 'e' })).toEqual({ ...faultless, resumeGap: 1 });
  });

  test('takes a new numbering for a loss', () => {
    const ledger = ledgerOf(event(1, 'a1'), event(1, 'a2', 'f'));
    expect(ledger.position).toEqual({ seq: 1, epoch: 'f' });
    expect(ledger.end({ seq: 1, epoch: 'f' })).toEqual({ ...faultless, lost: 1 });
  });

  test('of a topic that was never heard lacks everything', () => {
    expect(ledgerOf().end({ seq: 5, epoch: 'e' })).toEqual({ ...faultless, lost: 5 });
  });
});
