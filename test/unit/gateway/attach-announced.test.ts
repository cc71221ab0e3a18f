import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { fail, ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import type { Broker } from '../../../services/gateway/core/broker.ts';
import { attach } from '../../../services/gateway/core/operations/run.ts';

/** A store that answers with these in turn, and with the last one from then on. */
function asked(...answers: Result<object>[]): { broker: Broker; clock: ManualClock; times: () => number } {
  const clock = new ManualClock();
  let times = 0;
  const status = (): Promise<Result<object>> => Promise.resolve(answers[Math.min(times++, answers.length - 1)]!);
  return { broker: { clock, runs: { status } } as unknown as Broker, clock, times: () => times };
}

const caller = { identity: { id: 'ada', admin: false } as never };
const found = ok({ invocation: 'i-1' });
const missing = fail('not_found');

async function settled<T>(result: Promise<T>, clock: ManualClock): Promise<T> {
  let done = false;
  void result.then(() => (done = true));
  for (let i = 0; i < 1000 && !done; i += 1) {
    clock.advance(10);
    await turn();
  }
  return result;
}

test('a run that was announced is waited for until it is written', async () => {
  const { broker, clock, times } = asked(missing, missing, found);
  const result = await settled(attach(broker, caller, { invocation: 'i-1', announced: true }), clock);
  expect(result.ok).toBe(true);
  expect(times()).toBe(3);
});

test('one that is never written is given up, and what fails otherwise is not asked for again', async () => {
  const never = asked(missing);
  const begun = never.clock.now();
  expect(await settled(attach(never.broker, caller, { invocation: 'i-1', announced: true }), never.clock)).toEqual(
    missing,
  );
  expect(never.clock.now() - begun).toBeGreaterThan(1000);
  const away = asked(fail('unavailable'), found);
  expect(await attach(away.broker, caller, { invocation: 'i-1', announced: true })).toEqual(fail('unavailable'));
  const unheard = asked(missing, found);
  expect(await attach(unheard.broker, caller, { invocation: 'i-1' })).toEqual(missing);
});
