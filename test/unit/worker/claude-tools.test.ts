import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MessageParam } from '@anthropic-ai/sdk/resources/messages/messages';
import { calculate } from '../../../services/worker/agents/claude/calculate.ts';
import { runTool } from '../../../services/worker/agents/claude/tools.ts';
import { answers, calls, says } from '../../support/messages-api.ts';
import type { MessagesApi } from '../../support/messages-api.ts';
import { claudeOnApi, drive, Told } from './claude-harness.ts';

const sum = { id: 'toolu_1', name: 'calculate', input: { expression: '2 + 3' } };
const asks = (more: object = {}): object => ({ text: 'what is it?', tools: ['calculate', 'current_time'], ...more });

const told = (api: MessagesApi, request = 1): MessageParam[] => api.requests[request]?.body.messages.slice(-2) ?? [];

test('a call runs, and the model goes on with its result', async () => {
  const { api, agent } = await claudeOnApi();
  const use = { type: 'tool_use', ...sum };
  const thinking = { type: 'thinking', thinking: 'hm', signature: 'signed' };
  api.next(answers([thinking, ['I will ', 'see.'], use], { stopReason: 'tool_use' }), says('It is 5.'));
  const { outputs, result } = await drive(agent, new Told(asks()));
  expect(outputs).toEqual([
    'I will ',
    'see.',
    '\n\n',
    { kind: 'tool_call', call: 'toolu_1', name: 'calculate', args: { expression: '2 + 3' } },
    { kind: 'tool_result', call: 'toolu_1', result: 5 },
    'It is 5.',
  ]);
  expect(result).toMatchObject({ text: 'It is 5.', usage: { requests: 2, inputTokens: 20, outputTokens: 14 } });
  // What it thought has to come back as it was, with its signature.
  expect(told(api)).toMatchObject([
    { role: 'assistant', content: [thinking, { type: 'text', text: 'I will see.' }, use] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: '5' }] },
  ]);
});

test('several calls of one answer are answered together', async () => {
  const { api, agent } = await claudeOnApi();
  api.next(calls(sum, { id: 'toolu_2', name: 'current_time', input: {} }), says('done'));
  const { outputs } = await drive(agent, new Told(asks()));
  expect(outputs.map((output) => (typeof output === 'string' ? output : `${output.kind}`))).toEqual([
    'tool_call',
    'tool_result',
    'tool_call',
    'tool_result',
    'done',
  ]);
  expect(told(api)[1]?.content).toHaveLength(2);
});

test.each([
  ['a tool that there is none of', { ...sum, name: 'rm' }, 'there is no such tool'],
  ['a tool that was not offered', { ...sum, name: 'current_time', input: {} }, 'there is no such tool'],
  ['input of the wrong form', { ...sum, input: { expression: 5 } }, 'expression must be a string'],
  ['input that the tool refuses', { ...sum, input: { expression: '1/0' } }, 'the result is no finite number'],
])('%s is an error that the model is told of', async (_, use, message) => {
  const { api, agent } = await claudeOnApi();
  api.next(calls(use), says('sorry'));
  const { outputs, result } = await drive(agent, new Told(asks({ tools: ['calculate'] })));
  expect(outputs[1]).toEqual({ kind: 'tool_result', call: 'toolu_1', result: { error: message } });
  expect(told(api)[1]?.content).toMatchObject([{ tool_use_id: 'toolu_1', content: message, is_error: true }]);
  expect(result).toMatchObject({ text: 'sorry' });
});

test('a model that never stops calling fails the run', async () => {
  const { api, agent } = await claudeOnApi();
  api.next(...Array.from({ length: 11 }, () => calls(sum)));
  await expect(drive(agent, new Told(asks()))).rejects.toMatchObject({ code: 'tool_limit' });
  expect(api.requests).toHaveLength(10);
});

describe('approval', () => {
  test('comes before the call, which runs as it was asked for', async () => {
    const { api, agent } = await claudeOnApi();
    api.next(calls(sum), says('5'));
    const asked = new Told(asks({ approve: true }));
    const { outputs } = await drive(agent, asked);
    expect(asked.asked).toEqual([{ name: 'calculate', args: sum.input }]);
    expect(outputs[1]).toEqual({ kind: 'tool_result', call: 'toolu_1', result: 5 });
    expect(told(api)[1]?.content).toMatchObject([{ content: '5' }]);
  });

  test('with other arguments runs with those, and the model is told', async () => {
    const { api, agent } = await claudeOnApi();
    api.next(calls(sum), says('6'));
    const decide = () => ({ approved: true, args: { expression: '3 + 3' } });
    const { outputs } = await drive(agent, new Told(asks({ approve: ['calculate'] }), { decide }));
    expect(outputs.slice(0, 2)).toEqual([
      { kind: 'tool_call', call: 'toolu_1', name: 'calculate', args: { expression: '3 + 3' } },
      { kind: 'tool_result', call: 'toolu_1', result: 6 },
    ]);
    const content = 'The user changed the input to {"expression":"3 + 3"}. 6';
    expect(told(api)[1]?.content).toMatchObject([{ content }]);
  });

  test('refused, nothing runs, and the model is told why', async () => {
    const { api, agent } = await claudeOnApi();
    api.next(calls(sum), says('as you like'));
    const decide = (args: unknown) => ({ approved: false, note: 'too easy', args });
    const { outputs } = await drive(agent, new Told(asks({ approve: true }), { decide }));
    expect(outputs).toEqual(['as you like']);
    const content = 'The user did not allow this call. They say: too easy';
    expect(told(api)[1]?.content).toMatchObject([{ content, is_error: true }]);
  });

  test('is asked for by name, and never for what cannot run', async () => {
    const { api, agent } = await claudeOnApi();
    const unknown = { ...sum, id: 'toolu_3', name: 'rm' };
    api.next(calls(sum, { id: 'toolu_2', name: 'current_time', input: {} }, unknown), says('done'));
    const asked = new Told(asks({ approve: ['current_time'] }));
    await drive(agent, asked);
    expect(asked.asked).toEqual([{ name: 'current_time', args: {} }]);
  });
});

describe('calculate', () => {
  test.each([
    ['2 + 3 * 4', 14],
    ['(2 + 3) * 4 ^ 2', 80],
    ['2 - 3 - 4', -5],
    ['2 ** 3 ^ 2', 512],
    ['-2 ^ 2', -4],
    ['2 ^ -1', 0.5],
    ['- -(3)', 3],
    ['7 % 4 * 2', 6],
    ['.5 + 1.e2 + 1e-1', 100.6],
    [' 1 ', 1],
  ])('%s is %d', (expression, value) => {
    expect(calculate(expression)).toEqual({ ok: true, value });
  });

  test.each([
    ['', 'a number is missing at the end'],
    ['2 +', 'a number is missing at the end'],
    ['2 + * 3', 'a number is missing before *'],
    ['(2', 'a bracket is not closed'],
    ['2)', ') is not expected there'],
    ['2 3', '3 is not expected there'],
    ['process.exit()', '"process.exit()" is no number and no operator'],
    ['1/0', 'the result is no finite number'],
    ['('.repeat(1000), 'over 200 brackets, signs or powers inside of each other'],
    ['-'.repeat(1000), 'over 200 brackets, signs or powers inside of each other'],
  ])('%s is refused', (expression, message) => {
    expect(calculate(expression)).toMatchObject({ ok: false, message });
  });

  test('reads whatever stands in brackets', () => {
    const operators: Record<string, (a: number, b: number) => number> = {
      '+': (a, b) => a + b,
      '-': (a, b) => a - b,
      '*': (a, b) => a * b,
      '/': (a, b) => a / b,
      '%': (a, b) => a % b,
      '^': (a, b) => a ** b,
    };
    const number = fc.double({ noNaN: true, min: 0, max: 1e9 }).map((value) => ({ text: String(value), value }));
    const { either } = fc.letrec<Record<'either' | 'sum', { text: string; value: number }>>((tie) => ({
      either: fc.oneof({ depthSize: 'small', withCrossShrink: true }, number, tie('sum')),
      sum: fc
        .tuple(tie('either'), fc.constantFrom(...Object.keys(operators)), tie('either'))
        .map(([a, by, b]) => ({ text: `(${a.text} ${by}${b.text})`, value: operators[by]!(a.value, b.value) })),
    }));
    fc.assert(
      fc.property(either, ({ text, value }) => {
        expect(calculate(text)).toMatchObject(Number.isFinite(value) ? { ok: true, value } : { ok: false });
      }),
    );
  });
});

test.each([
  [{}, { utc: '2026-01-02T03:04:05.000Z', local: expect.stringContaining('03:04:05 UTC'), timezone: 'UTC' }],
  [{ timezone: 'Asia/Tokyo' }, { utc: '2026-01-02T03:04:05.000Z', local: expect.stringContaining('12:04:05') }],
])('the time, asked for with %j', (args, value) => {
  expect(runTool('current_time', args, Date.UTC(2026, 0, 2, 3, 4, 5))).toMatchObject({ ok: true, value });
});

test('there is no time in a place that is none', () => {
  const message = 'there is no such time zone';
  expect(runTool('current_time', { timezone: 'Atlantis' }, 0)).toMatchObject({ ok: false, message });
});
