import { expect, test } from 'vitest';
import { fail, ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import { streamedRun } from '../../../services/gateway/dialects/agent-runs/streamed-run.ts';
import type { Begun } from '../../../services/gateway/dialects/dialect.ts';
import { FakeClient } from '../../support/fake-client.ts';

function start(session: string, body: unknown): { client: FakeClient; answers: Result<Begun>[] } {
  const client = new FakeClient();
  const answers: Result<Begun>[] = [];
  const entrance = { params: { session }, query: new URLSearchParams() };
  streamedRun.start(client, entrance, body, (begun) => answers.push(begun));
  return { client, answers };
}

const newMessage = { role: 'user', parts: [{ text: 'good ' }, { text: 'morning' }] };

test('a request becomes a run of the session, and its first message says which', () => {
  const { client, answers } = start('s-1', { newMessage, agent: null, sessionId: 7 });
  client.settle(ok({ session: { session: 's-1', agent: 'claude' } }));
  client.settle(ok({ run: { invocation: 'i-1' }, duplicate: false }));
  expect(client.lines).toEqual([
    '? session.ensure {"session":"s-1"}',
    '? run {"agent":"claude","session":"s-1","input":"good morning"}',
  ]);
  const [begun] = answers;
  if (!begun?.ok) throw new Error('refused');
  expect(Buffer.from(begun.value.first).toString()).toBe('{"type":"started","invocationId":"i-1","sessionId":"s-1"}');
  begun.value.attach();
  expect(client.lines.at(-1)).toBe('attach i-1');
});

test.each([
  ['a b', { newMessage }, 'the id of the session is refused: must be 1 to 64 of A-Z a-z 0-9 _ -'],
  ['s-1', [], 'the body must be a map'],
  ['s-1', 'hi', 'the body must be a map'],
  ['s-1', { newMessage: null }, 'newMessage must be a map'],
  ['s-1', { newMessage: { parts: [{ text: '\n' }] } }, 'newMessage.parts is refused: nothing is said'],
  ['s-1', { newMessage, agent: '?' }, 'agent is refused: must be 1 to 64 of A-Z a-z 0-9 _ -'],
])('what is wrong is found before anything is asked for: %s %j', (session, body, message) => {
  const { client, answers } = start(session, body);
  expect(answers).toEqual([fail('bad_request', message)]);
  expect(client.lines).toEqual([]);
});

test('what fails on the way is the answer', () => {
  const early = start('s-1', { newMessage });
  early.client.settle(fail('forbidden', 'not yours'));
  expect(early.answers).toEqual([fail('forbidden', 'not yours')]);
  const late = start('s-1', { newMessage });
  late.client.settle(ok({ session: { session: 's-1' } }));
  late.client.settle(fail('not_found', 'no such agent'));
  expect(late.answers).toEqual([fail('not_found', 'no such agent')]);
});
