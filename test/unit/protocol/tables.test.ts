import { describe, expect, it } from 'vitest';
import { errorTable, fail } from '../../../shared/base/errors.ts';
import type { ErrorCode } from '../../../shared/base/errors.ts';
import { closeAdvice, closeCodes } from '../../../shared/protocol/close-codes.ts';
import { errorFrame, makeError, makeOk } from '../../../shared/protocol/pushes.ts';
import { chooseVersion } from '../../../shared/protocol/version.ts';

describe('an answer', () => {
  it.each(Object.keys(errorTable) as ErrorCode[])('can be the error %s, as the schema has it', (code) => {
    const frame = makeError(fail(code, 'why', { more: 1 }), 'x');
    expect(errorFrame.parse(frame)).toStrictEqual(frame);
    expect(frame).toMatchObject({ type: 'error', id: 'x', error: { code, retryable: errorTable[code].retryable } });
  });

  it('says nothing of the cause of an internal error', () => {
    const text = JSON.stringify(makeError(fail('internal', 'secret host refused', { stack: 'secret file' })));
    expect(text).not.toContain('secret');
  });

  it('tells message and details of any other', () => {
    const { error } = makeError(fail('conflict', 'it ended', { state: 'completed' }));
    expect(error).toEqual({ code: 'conflict', message: 'it ended', retryable: false, details: { state: 'completed' } });
  });

  it('has an id only where the request had one, 0 and the empty string included', () => {
    expect('id' in makeError(fail('busy'))).toBe(false);
    expect(makeError(fail('busy'), 0)).toHaveProperty('id', 0);
    expect(makeError(fail('busy'), '')).toHaveProperty('id', '');
    expect(makeOk(0, {})).toEqual({ type: 'ok', id: 0, result: {} });
  });
});

describe('a close code', () => {
  it('is there once', () => {
    const codes = Object.values(closeCodes).map((close) => close.code);
    expect(new Set(codes).size).toBe(codes.length);
  });

  it('tells a client to stop, to come back, or to come back elsewhere', () => {
    expect(closeAdvice(closeCodes.unauthenticated.code)).toBe('stop');
    expect(closeAdvice(closeCodes.no_sign_of_life.code)).toBe('come back');
    expect(closeAdvice(closeCodes.draining.code)).toBe('come back elsewhere');
  });

  it.each([1000, 1006, 4999])('that is not ours (%i) means to come back', (code) => {
    expect(closeAdvice(code)).toBe('come back');
  });
});

describe('the version', () => {
  it.each<[number[], number | undefined]>([
    [[1], 1],
    [[3, 1, 2], 1],
    [[], undefined],
    [[0, 2, 99], undefined],
    [[1.5, Number.NaN], undefined],
  ])('chosen from %j is %j', (offered, chosen) => {
    expect(chooseVersion(offered)).toBe(chosen);
  });
});
