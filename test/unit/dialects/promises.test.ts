import { expect, test } from 'vitest';
import { ok } from '../../../shared/base/errors.ts';
import { agentRuns } from '../../../services/gateway/dialects/agent-runs/agent-runs.ts';
import { chat } from '../../../services/gateway/dialects/chat/chat.ts';
import { checkpoints } from '../../../services/gateway/dialects/checkpoints/checkpoints.ts';
import { dialects } from '../../../services/gateway/dialects/list.ts';
import { native } from '../../../services/gateway/dialects/native/native.ts';
import { visualization } from '../../../services/gateway/dialects/visualization/visualization.ts';
import { dialectSuite } from '../../contracts/dialect-suite.ts';

const nowhere = { params: {}, query: new URLSearchParams() };

dialectSuite('native', {
  dialect: native,
  entrance: nowhere,
  settle: () => {},
  request: '{"type":"history","id":1,"topic":"a.b"}',
  nonsense: ['{"type":"nothing"}', '{"type":"publish","id":1}', '{"type":"subscribe","topics":[]}'],
  errorIn: (frame) => (frame['type'] === 'error' ? (frame['error'] as { message: string }).message : undefined),
});

dialectSuite('checkpoint commands (000)', {
  dialect: checkpoints,
  entrance: nowhere,
  settle: (client) => client.settle(ok({})),
  request: '{"id":1,"method":"list_checkpoints","params":{"session_id":"s-1"}}',
  nonsense: [
    '{"id":1,"method":"nothing"}',
    '{"id":1,"method":"create_session"}',
    '{"id":1,"method":"subscribe","params":{"session_id":"a b"}}',
    '{"id":1,"method":"metrics","params":[]}',
  ],
  errorIn: (frame) => (frame['success'] === false ? frame['error'] : undefined),
});

dialectSuite('visualization (001)', {
  dialect: visualization,
  entrance: nowhere,
  settle: () => {},
  request: '{"type":"history","channel":"events","limit":10}',
  nonsense: [
    '{"type":"nothing"}',
    '{"type":"subscribe","channels":["gossip"]}',
    '{"type":"history","channel":"metrics"}',
    '{"type":"unsubscribe","channels":7}',
  ],
  errorIn: (frame) => (frame['type'] === 'error' ? frame['message'] : undefined),
});

dialectSuite('agent runs (003)', {
  dialect: agentRuns,
  entrance: { ...nowhere, params: { session: 's-1' } },
  settle: () => {},
  request: '{"type":"status","invocationId":"i-1"}',
  nonsense: [
    '{"type":"nothing"}',
    '{"type":"run"}',
    '{"type":"cancel","invocationId":{}}',
    '{"type":"status","sessionId":"s-2","invocationId":"i"}',
  ],
  errorIn: (frame) => (frame['type'] === 'error' ? frame['message'] : undefined),
});

dialectSuite('chat (004)', {
  dialect: chat,
  entrance: { ...nowhere, query: new URLSearchParams('sessionId=s-1') },
  settle: (client) => {
    client.settle(ok({ session: { session: 's-1' } }));
    for (let listening = 0; listening < 3; listening += 1) client.settle(ok({}));
    client.settle(ok({ invocations: [] }));
  },
  request: '{"type":"user_message","content":"hi","sessionId":"s-1"}',
  nonsense: [
    '{"type":"nothing"}',
    '{"type":"user_message"}',
    '{"type":"user_message","content":"","sessionId":"s-1"}',
    '{"type":"cancel","sessionId":"s-2"}',
  ],
  errorIn: (frame) => (frame['type'] === 'error' ? frame['error'] : undefined),
});

test('no two dialects have a name, a path or the number of a format in common', () => {
  const all = [...dialects];
  for (const list of [all.map(({ name }) => name), all.flatMap(({ paths }) => paths)]) {
    expect(new Set(list).size).toBe(list.length);
  }
  const formats = all.flatMap((dialect) => dialect.formats);
  expect(new Set(formats.map(({ index }) => index)).size).toBe(formats.length);
  expect(new Set(formats.map(({ name }) => name)).size).toBe(formats.length);
});
