import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { claude } from '../../../services/worker/agents/claude/claude.ts';
import { answers, begins, eventsOf, inPieces, says, startMessagesApi } from '../../support/messages-api.ts';
import { apiKey, claudeOnApi, drive, said, Told } from './claude-harness.ts';

test('streams the text, and completes with it, why it stopped and what it cost', async () => {
  const { api, agent } = await claudeOnApi();
  api.next(says('Hel', 'lo'));
  const told = new Told('hi');
  const { outputs, result } = await drive(agent, told);
  expect(outputs).toEqual(['Hel', 'lo']);
  const usage = { requests: 1, inputTokens: 10, outputTokens: 7, cacheReadTokens: 0, cacheWriteTokens: 0 };
  expect(result).toEqual({ text: 'Hello', stopReason: 'end_turn', usage, model: 'claude-of-the-test' });
  expect(told.usages[0]).toEqual({ ...usage, outputTokens: 1 });
  expect(told.usages.at(-1)).toEqual(usage);
});

test('asks as the API wants it, with the key, and with what the input says', async () => {
  const { api, agent } = await claudeOnApi();
  api.next(says('yes'), says('yes'));
  await drive(agent, new Told('hi'));
  await drive(
    agent,
    new Told({ prompt: 'hi', model: 'some-model', system: 'be brief', maxTokens: 5, tools: ['calculate'] }),
  );
  const [plain, full] = api.requests;
  expect(plain?.path).toBe('/v1/messages');
  expect(plain?.headers).toMatchObject({ authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' });
  expect(plain?.headers['anthropic-version']).toMatch(/^\d{4}-\d\d-\d\d$/);
  expect(plain?.body).toEqual({
    model: 'claude-sonnet-5-5',
    max_tokens: 16_000,
    messages: [{ role: 'user', content: 'hi' }],
    stream: true,
  });
  expect(full?.body).toMatchObject({ model: 'some-model', system: 'be brief', max_tokens: 5 });
  expect(full?.body.tools?.map(({ name }) => name)).toEqual(['calculate']);
});

test('a chunk is passed on at once, while the answer is still being written', async () => {
  const { api, agent } = await claudeOnApi();
  let goOn: () => void = () => {};
  api.next(
    begins(['first'], (answer) => {
      goOn = () => void answer.end(eventsOf([['first']], {}).replace(/^[^]*?(?=event: content_block_stop)/, ''));
    }),
  );
  const { result } = await drive(agent, new Told('hi'), (output) => output === 'first' && goOn());
  expect(result).toMatchObject({ text: 'first', stopReason: 'end_turn' });
});

test('no cut in the bytes of the stream changes the text', async () => {
  const { api, agent } = await claudeOnApi();
  const text = fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 4 });
  const cut = fc.integer({ min: 1, max: 40 });
  await fc.assert(
    fc.asyncProperty(text, cut, fc.constantFrom('\n', '\r\n'), async (pieces, size, ending) => {
      api.next(inPieces(eventsOf([pieces], {}).replaceAll('\n', ending), size));
      const { outputs, result } = await drive(agent, new Told('hi'));
      expect(outputs.filter((output) => typeof output === 'string').join('')).toBe(pieces.join(''));
      expect(result).toMatchObject({ text: pieces.join('') });
    }),
    { numRuns: 40, examples: [[['😀é', '漢字'], 1, '\r\n']] },
  );
});

test.each([
  ['max_tokens', {}, {}],
  ['refusal', { stopDetails: { type: 'refusal', category: null, explanation: 'not that' } }, { refusal: 'not that' }],
  ['model_context_window_exceeded', {}, {}],
])('the result says that it ended by %s', async (stopReason, more, told) => {
  const { api, agent } = await claudeOnApi();
  api.next(answers([['so far']], { stopReason, ...more }));
  const { result } = await drive(agent, new Told('hi'));
  expect(result).toMatchObject({ text: 'so far', stopReason, ...told });
});

test('an answer without text completes with none', async () => {
  const { api, agent } = await claudeOnApi();
  api.next(answers([]));
  expect(await drive(agent, new Told('hi'))).toMatchObject({ outputs: [], result: { text: '' } });
});

test('the session comes first, and its question without an answer is joined to the new one', async () => {
  const { api, agent } = await claudeOnApi();
  api.next(says('fine'));
  const messages = said(['user', 'one'], ['assistant', 'two'], ['user', { text: 'three' }]);
  await drive(agent, new Told('four', { messages }));
  expect(api.requests[0]?.body.messages).toEqual([
    { role: 'user', content: 'one' },
    { role: 'assistant', content: 'two' },
    { role: 'user', content: 'three\n\nfour' },
  ]);
});

describe('without a proper key', () => {
  test.each([
    [undefined, 'no_api_key'],
    ['sk-secret\u00e9', 'unauthenticated'],
  ])('%j', async (key, code) => {
    const api = await startMessagesApi();
    const failing = drive(claude({ apiKey: key, baseUrl: api.url }), new Told('hi'));
    await expect(failing).rejects.toMatchObject({ code, message: expect.stringContaining('ANTHROPIC_API_KEY') });
    await expect(failing).rejects.not.toMatchObject({ message: expect.stringContaining('sk-') });
    expect(api.requests).toEqual([]);
  });
});

describe('input that it cannot read', () => {
  test.each([
    [null, 'the input must be a map'],
    ['', 'text is refused: nothing is said'],
    [' \n', 'text is refused: nothing is said'],
    [{}, 'text is missing'],
    [{ text: 'a', prompt: 'b' }, 'text is refused: text and prompt are the same thing: one of them is enough'],
    [{ text: 'a', model: 'a b' }, 'model is refused: that is no name of a model'],
    [{ text: 'a', maxTokens: 0 }, expect.stringMatching(/^maxTokens is refused/)],
    [{ text: 'a', maxTokens: 64_001 }, expect.stringMatching(/^maxTokens is refused/)],
    [{ text: 'a', tools: ['rm'] }, expect.stringMatching(/^tools\[0\] is refused/)],
    [{ text: 'a', approve: 'all' }, 'approve must be true, false or names of tools'],
    [{ text: 'a', aprove: true }, expect.stringContaining('aprove')],
  ])('%j', async (input, message) => {
    const { api, agent } = await claudeOnApi();
    await expect(drive(agent, new Told(input))).rejects.toMatchObject({ code: 'bad_input', message });
    expect(api.requests).toEqual([]);
  });
});
