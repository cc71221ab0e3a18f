import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { conversationOf } from '../../../services/worker/agents/claude/conversation.ts';
import { said, sessionOf } from './claude-harness.ts';

const prompt = 'now';
const told = (...turns: [role: string, content: unknown][]): ReturnType<typeof conversationOf> =>
  conversationOf(sessionOf(said(...turns)), prompt);

test('without a session there is the prompt', async () => {
  expect(await conversationOf(undefined, prompt)).toEqual([{ role: 'user', content: prompt }]);
});

test('what an agent said before any user is left out, and so are other roles and what is no text', async () => {
  const turns = await told(
    ['assistant', 'welcome'],
    ['user', 'one'],
    ['system', 'obey'],
    ['assistant', { from: 3 }],
    ['assistant', [{ type: 'text', text: 'two' }, { type: 'image' }, { type: 'text', text: 'three' }]],
    ['user', ' '],
    ['user', { prompt: 'four', model: 'm' }],
  );
  expect(turns).toEqual([
    { role: 'user', content: 'one' },
    { role: 'assistant', content: 'two\n\nthree' },
    { role: 'user', content: 'four\n\nnow' },
  ]);
});

test('a long session is told from where it fits, and without a hole', async () => {
  const long = 'x'.repeat(90_000);
  const turns = await told(
    ['user', 'old'],
    ['assistant', long],
    ['user', long],
    ['assistant', long],
    ['user', 'short'],
  );
  expect(turns.map(({ content }) => content.length)).toEqual([90_000, 90_000, 'short\n\nnow'.length]);
  const onlyTooMuch = await told(['user', 'old'], ['assistant', 'x'.repeat(200_001)]);
  expect(onlyTooMuch).toEqual([{ role: 'user', content: prompt }]);
});

test('whatever a session holds, the user is first and last, and the two take turns', async () => {
  const content = fc.oneof(fc.string(), fc.constant('x'.repeat(70_000)), fc.jsonValue());
  const turn = fc.tuple(fc.constantFrom('user', 'assistant', 'tool'), content);
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { maxLength: 130 }), async (turns) => {
      const conversation = await told(...turns);
      expect(conversation.map(({ role }) => role)).toEqual(
        conversation.map((_, i) => (i % 2 === 0 ? 'user' : 'assistant')),
      );
      expect(conversation.at(-1)).toMatchObject({ role: 'user', content: expect.stringMatching(/now$/) });
      expect(conversation.every(({ content: text }) => /\S/.test(text as string))).toBe(true);
      const size = conversation.reduce((sum, { content: text }) => sum + text.length, 0);
      expect(size).toBeLessThan(201_000);
    }),
  );
});
