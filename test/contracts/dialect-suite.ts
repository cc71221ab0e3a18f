import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { errorTable, fail } from '../../shared/base/errors.ts';
import type { ErrorCode } from '../../shared/base/errors.ts';
import { runEvents } from '../../shared/protocol/run-events.ts';
import type { Conversation, Entrance } from '../../services/gateway/core/client.ts';
import type { Dialect } from '../../services/gateway/dialects/dialect.ts';
import { Event, Gap, Renumbered } from '../../services/gateway/hub/entry.ts';
import { FakeClient } from '../support/fake-client.ts';

export interface DialectUnderTest {
  readonly dialect: Dialect;
  readonly entrance: Entrance;
  /** Brings a connection to where it takes requests: settles what it asks for when it opens. */
  readonly settle: (client: FakeClient) => void;
  /** A frame that asks for one operation at once. */
  readonly request: string;
  /** Frames that can be read, and ask for nothing that there is. */
  readonly nonsense: readonly string[];
  /** What an error frame says, and undefined for any other frame. */
  readonly errorIn: (frame: Record<string, unknown>) => unknown;
}

/** Holds a dialect to what the gateway and its clients rely on, whatever its frames look like. */
export function dialectSuite(name: string, under: DialectUnderTest): void {
  const { dialect, request, nonsense, errorIn } = under;

  const enter = (): { client: FakeClient; conversation: Conversation; said: () => Record<string, unknown>[] } => {
    const client = new FakeClient();
    const conversation = dialect.open(client, '', under.entrance);
    under.settle(client);
    client.frames.splice(0);
    client.lines.splice(0);
    const said = (): Record<string, unknown>[] =>
      client.frames.splice(0).map((frame) => JSON.parse(Buffer.from(frame).toString()) as Record<string, unknown>);
    return { client, conversation, said };
  };

  describe(`${name} keeps the promises of a dialect`, () => {
    test('a frame that cannot be read gets one error and is counted, and one that can be ends the row', () => {
      const { client, conversation, said } = enter();
      for (const bad of ['{', '', '[]', '"text"', 'null', '7', '{"a":1e400}', '['.repeat(2000)]) {
        conversation.receive(Buffer.from(bad), false);
        const frames = said();
        expect(frames.map(errorIn)).toEqual([expect.any(String)]);
      }
      expect(client.badFrames).toBe(8);
      conversation.receive(Buffer.from(request), false);
      expect(client.badFrames).toBe(0);
    });

    test.each(nonsense)('what is no request gets one error: %s', (frame) => {
      const { client, conversation, said } = enter();
      conversation.receive(Buffer.from(frame), false);
      expect(said().map(errorIn)).toEqual([expect.any(String)]);
      expect(client.lines.filter((line) => line.startsWith('?'))).toEqual([]);
    });

    test.each(Object.keys(errorTable) as ErrorCode[])('an operation that fails with %s is answered once', (code) => {
      const { client, conversation, said } = enter();
      conversation.receive(Buffer.from(request), false);
      expect(said()).toEqual([]);
      client.settle(fail(code));
      expect(said().map(errorIn)).toEqual([errorTable[code].says]);
    });

    test('what is too much is refused with a word, whether or not it can be read', () => {
      const { conversation, said } = enter();
      for (const code of ['busy', 'rate_limited'] as const) {
        for (const frame of [request, '{', '\u0000']) {
          conversation.refuse(Buffer.from(frame), false, code);
          expect(said().map(errorIn)).toEqual([errorTable[code].says]);
        }
      }
    });

    test('a drain takes nothing from a conversation that goes on', () => {
      const { client, conversation, said } = enter();
      conversation.goaway?.(100);
      said();
      conversation.receive(Buffer.from(request), false);
      client.settle(fail('not_found'));
      expect(said()).toHaveLength(1);
    });

    test('what was asked for may be answered when the connection is gone', () => {
      const { client, conversation } = enter();
      conversation.receive(Buffer.from(request), false);
      conversation.closed?.();
      expect(() => client.settle(fail('unavailable'))).not.toThrow();
    });

    test('whatever comes, it is answered at most once and nothing is thrown', () => {
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.json().map((text) => Buffer.from(text)),
        fc.json().map((text) => Buffer.from(`${request.slice(0, -1)},"x":${text}}`)),
        fc.tuple(fc.constantFrom(...nonsense, request), fc.nat(), fc.nat(255)).map(([frame, at, byte]) => {
          const broken = Buffer.from(frame);
          broken[at % broken.length] = byte;
          return broken;
        }),
      );
      fc.assert(
        fc.property(fc.array(fc.tuple(bytes, fc.boolean()), { maxLength: 10 }), (frames) => {
          const { client, conversation } = enter();
          for (const [frame, binary] of frames) {
            client.frames.splice(0);
            conversation.receive(frame, binary);
            expect(client.frames.length).toBeLessThanOrEqual(1);
          }
        }),
        { numRuns: 300 },
      );
    });

    test('whatever happens to a run has a frame or none, and never a fault', () => {
      for (const format of dialect.formats) {
        for (const kind of [...Object.keys(runEvents), 'of-the-future']) {
          const data = { kind, text: 't', result: null, reason: 'r', attempt: 1, error: { code: 'c', message: 'm' } };
          const event = new Event('run.i-1', 'e', 1, 1, JSON.stringify({ data }));
          expect(format.encode(event) ?? new Uint8Array(0)).toBeInstanceOf(Uint8Array);
        }
        expect(() => format.encode(new Gap('run.i-1', 'e', 1, 2))).not.toThrow();
        expect(() => format.encode(new Renumbered('run.i-1', 'e', 1))).not.toThrow();
      }
    });
  });
}
