import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { extended, lengthOf, numbersAt, placeOn } from '../../../shared/domain/sessions/path.ts';
import type { Path } from '../../../shared/domain/sessions/path.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import type { Message } from '../../../shared/protocol/sessions.ts';
import { alice, Bench, codeOf, got } from './runs-bench.ts';

test('a path is its numbers, whatever was passed over between them', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(3), fc.nat(4)), { maxLength: 12 }),
      fc.integer({ min: -3, max: 40 }),
      fc.integer({ min: -3, max: 40 }),
      (steps, from, to) => {
        let path: Path = [];
        let last = 0;
        const numbers: number[] = [];
        for (const [passedOver, count] of steps) {
          last += passedOver;
          path = extended(path, last, count);
          for (let i = 0; i < count; i++) numbers.push(++last);
        }
        expect(lengthOf(path)).toBe(numbers.length);
        expect(numbersAt(path, from, to)).toEqual(numbers.slice(Math.max(from, 0), Math.max(to, 0)));
        for (let number = 0; number <= last + 1; number++) {
          const place = numbers.indexOf(number);
          expect(placeOn(path, number)).toBe(place < 0 ? undefined : place);
        }
        // As few ranges as there are holes.
        expect(path.every(([first], i) => i === 0 || first > path[i - 1]![1] + 1)).toBe(true);
      },
    ),
  );
});

const threads = ['main', 'side'] as const;
const step = fc.oneof(
  fc.record({ do: fc.constant('say' as const), thread: fc.constantFrom(...threads), chosen: fc.boolean() }),
  fc.record({ do: fc.constant('run' as const), thread: fc.constantFrom(...threads) }),
  fc.record({ do: fc.constant('keep' as const) }),
  fc.record({ do: fc.constant('restore' as const), which: fc.nat(20) }),
);

test('a session that is talked in and restored in any order has the messages that a plain list would have', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 25 }),
      fc.integer({ min: 1, max: 4 }),
      fc.nat(6),
      async (steps, limit, last) => {
        const clock = new ManualClock();
        const engine = createMemoryEngine({ historySize: 100, historyTtlMs: 1e9, metaTtlMs: 1e9, clock });
        const { sessions, checkpoints, line } = new Bench(engine, { clock }).parts;
        await got(sessions.create(alice, { session: 's' }));
        let model: [thread: string, content: string][] = [];
        const kept: { checkpoint: string; model: typeof model }[] = [];
        const gone = new Set<string>();
        for (const [i, one] of steps.entries()) {
          if (one.do === 'say') {
            const message = one.chosen ? { message: `chosen-${i}` } : {};
            await got(sessions.say('s', { thread: one.thread, role: 'user', content: `${i}`, ...message }));
            model = [...model, [one.thread, `${i}`]];
          } else if (one.do === 'run') {
            await got(line.enter('s', { invocation: `i${i}`, agent: 'a', at: 0 }, i, 'enqueue'));
            const messages = [`${i}a`, `${i}b`].map((content) => ({ role: 'user', content, at: 0 }));
            await got(line.leave('s', `i${i}`, { thread: one.thread, messages, state: 'completed' }));
            model = [...model, [one.thread, `${i}a`], [one.thread, `${i}b`]];
          } else if (one.do === 'keep') {
            const { checkpoint } = await got(checkpoints.create(alice, { session: 's' }));
            kept.push({ checkpoint, model });
          } else if (kept.length > 0) {
            const to = kept[one.which % kept.length]!;
            const all = await got(sessions.messages(alice, { session: 's', limit: 1000 }));
            for (const { message } of all.messages) gone.add(message);
            const { checkpoint: auto } = await got(checkpoints.restore(alice, to.checkpoint));
            kept.push({ checkpoint: auto.checkpoint, model });
            ({ model } = to);
          }
        }
        for (const thread of [undefined, ...threads]) {
          const wanted = model.filter(([of]) => thread === undefined || of === thread).map(([, content]) => content);
          const ask = { session: 's', limit, ...(thread === undefined ? {} : { thread }) };
          for (const byId of [true, false]) {
            const seen: Message[] = [];
            for (let more = true; more;) {
              const after = (byId ? seen.at(-1)?.message : seen.length) ?? 0;
              const page = await got(sessions.messages(alice, { ...ask, after }));
              if (page.more) expect(page.messages).toHaveLength(limit);
              seen.push(...page.messages);
              ({ more } = page);
            }
            expect(seen.map(({ content }) => content)).toEqual(wanted);
            for (const { message } of seen) gone.delete(message);
          }
          if (thread === undefined) continue;
          const tail = await got(sessions.lastMessages('s', thread, last));
          expect(tail.map(({ content }) => content)).toEqual(last === 0 ? [] : wanted.slice(-last));
        }
        // Nothing is read on from what is no message of the session now.
        for (const after of gone) {
          expect(await codeOf(sessions.messages(alice, { session: 's', after, limit }))).toBe('not_found');
        }
      },
    ),
    { numRuns: 150 },
  );
});
