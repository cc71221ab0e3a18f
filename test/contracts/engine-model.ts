import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Append } from '../../shared/engine/engine.ts';
import { body, count, got, until } from './engine-bench.ts';
import type { Bench } from './engine-bench.ts';

/** A topic as plainly as the contract can be put: everything that was ever appended, in an array. */
class PlainTopic {
  readonly bodies: string[] = [];
  readonly handedOver: { seq: number; body: string }[] = [];
  first = 1;
  #fence = -1;
  #sealed = false;
  readonly #ids = new Map<string, number>();

  append(event: Append): string {
    const known = event.ephemeral || event.messageId === undefined ? undefined : this.#ids.get(event.messageId);
    if (known !== undefined) return `duplicate of ${known}`;
    if (this.#sealed || (event.fence !== undefined && event.fence < this.#fence)) return 'conflict';
    if (event.ephemeral) {
      this.handedOver.push({ seq: 0, body: event.body });
      return 'passing';
    }
    const seq = this.bodies.push(event.body);
    this.handedOver.push({ seq, body: event.body });
    this.first = Math.max(this.first, seq + 1 - (event.keep ?? 1000));
    this.#fence = event.fence ?? this.#fence;
    this.#sealed = event.seal ?? false;
    if (event.messageId !== undefined) this.#ids.set(event.messageId, seq);
    return `event ${seq}`;
  }

  kept(): { seq: number; body: string }[] {
    return this.bodies.map((text, i) => ({ seq: i + 1, body: text })).slice(this.first - 1);
  }
}

const someAppend = fc.record(
  {
    topic: fc.constantFrom('x', 'y'),
    messageId: fc.constantFrom('m1', 'm2', 'm3', 'm4'),
    ephemeral: fc.boolean(),
    retain: fc.boolean(),
    fence: fc.integer({ min: 0, max: 4 }),
  },
  { requiredKeys: ['topic'] },
);
const someEnd = fc.record({ topic: fc.constantFrom('x', 'y'), seal: fc.constant(true) });
/** One for all appends to a topic: whether trimmed events come back when more are to be kept later is not promised. */
const someKeep = fc.record({ keep: fc.integer({ min: 1, max: 9 }) }, { requiredKeys: [] });
/** What is in one wave is sent without waiting; a wave begins when the one before was answered. */
const waves = fc.array(
  fc.array(fc.oneof({ weight: 40, arbitrary: someAppend }, { weight: 1, arbitrary: someEnd }), { maxLength: 25 }),
  { maxLength: 6 },
);
const someRange = fc.record(
  { after: fc.nat(40), limit: fc.integer({ min: 1, max: 30 }), reverse: fc.boolean() },
  { requiredKeys: ['limit'] },
);

let runs = 0;

export function modelPromises(bench: () => Bench): void {
  test('answers, keeps and hands over what a plain array would, whatever is appended in whatever waves', async () => {
    await fc.assert(
      fc.asyncProperty(waves, someKeep, fc.array(someRange, { maxLength: 5 }), async (plan, keep, ranges) => {
        const { engine, heard } = bench();
        // A property runs many times on one engine, and once more for each step of shrinking.
        const prefix = `model.${++runs}.`;
        const topics = new Map(['x', 'y'].map((name) => [`${prefix}${name}`, new PlainTopic()]));
        await got(engine.log.watch([...topics.keys()]));
        let n = 0;
        for (const wave of plan) {
          const events = wave.map((event): Append => ({
            ...event,
            ...keep,
            topic: prefix + event.topic,
            body: body(++n),
          }));
          const answers = await Promise.all(events.map((event) => answerOf(bench(), event)));
          expect(answers).toEqual(events.map((event) => topics.get(event.topic)!.append(event)));
        }
        for (const [topic, plain] of topics) {
          await expectKept(bench(), topic, plain);
          for (const range of ranges) await expectRange(bench(), topic, plain, range);
          await until(() => expect(heard.events(topic)).toHaveLength(plain.handedOver.length));
          const came = heard.events(topic).map(({ seq, body: text }) => ({ seq, body: text }));
          expect(came).toEqual(plain.handedOver);
        }
        engine.log.unwatch([...topics.keys()]);
      }),
      { numRuns: 150 },
    );
  });

  test('pages of a list are those of a sorted array, whatever was ranked before', async () => {
    const place = fc.record({
      key: fc.constantFrom(...count(12).map((n) => `k${n}`)),
      score: fc.option(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer(), fc.constantFrom(0.5, -0.25, 1e15))),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(place, { maxLength: 40 }), fc.integer({ min: 1, max: 6 }), async (places, limit) => {
        const home = `model.${++runs}`;
        const { records } = bench().engine;
        const scores = new Map<string, number>();
        for (const { key, score } of places) {
          if (score === null) scores.delete(key);
          else scores.set(key, score);
        }
        await got(records.commit(home, { rank: places.map((one) => ({ list: 'l', ...one })) }));
        const order = [...scores].sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1)).map(([key]) => key);
        for (const reverse of [false, true]) {
          const keys: string[] = [];
          let cursor: string | undefined;
          do {
            const page = await got(records.page(home, 'l', { limit, reverse, ...(cursor ? { cursor } : {}) }));
            keys.push(...page.keys);
            cursor = page.cursor;
          } while (cursor);
          expect(keys).toEqual(reverse ? order.toReversed() : order);
        }
      }),
      { numRuns: 80 },
    );
  });
}

async function answerOf(bench: Bench, event: Append): Promise<string> {
  const result = await bench.engine.log.append(event);
  if (!result.ok) return result.code;
  if (result.value.duplicate) return `duplicate of ${result.value.seq}`;
  return event.ephemeral && result.value.epoch === '' ? 'passing' : `event ${result.value.seq}`;
}

async function expectKept(bench: Bench, topic: string, plain: PlainTopic): Promise<void> {
  const { head, events } = await got(bench.engine.log.read(topic, { limit: 1000 }));
  expect(events.map(({ seq, body: text }) => ({ seq, body: text }))).toEqual(plain.kept());
  expect([head.first, head.seq]).toEqual([plain.first, plain.bodies.length]);
  expect(events.every((event) => event.epoch === head.epoch)).toBe(true);
  expect(await bench.head(topic)).toEqual(head);
}

async function expectRange(
  bench: Bench,
  topic: string,
  plain: PlainTopic,
  range: { after?: number; limit: number; reverse?: boolean },
): Promise<void> {
  const kept = range.reverse ? plain.kept().toReversed() : plain.kept();
  const inside = kept.filter(({ seq }) => {
    if (range.after === undefined) return true;
    return range.reverse ? seq < range.after : seq > range.after;
  });
  const expected = inside.slice(0, range.limit).map((event) => event.seq);
  expect({ range, seqs: await bench.seqs(topic, range) }).toEqual({ range, seqs: expected });
}
