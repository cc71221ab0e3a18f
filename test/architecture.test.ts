import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseSource, readSources } from './support/imports.ts';
import { architectureFaults } from './support/rooms.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

test('arrows point down, nothing goes in circles, and each library stays in its room', () => {
  const sources = readSources(root, ['shared', 'services']);
  // A checker that reads nothing finds nothing.
  expect(sources.map((source) => source.file)).toContain('shared/engine/engine.ts');
  expect(sources.find((source) => source.file === 'shared/engine/engine.ts')?.files).toEqual(['shared/base/errors.ts']);
  expect(architectureFaults(sources)).toEqual([]);
});

describe('the checker finds', () => {
  const faultsOf = (files: Record<string, string>): string[] =>
    architectureFaults(Object.entries(files).map(([file, text]) => parseSource(file, text)));

  test.each([
    [
      'an arrow that points up, of a type as well',
      { 'shared/base/a.ts': "import type { B } from '../wire/b.ts';", 'shared/wire/b.ts': '' },
      'shared/base/a.ts imports shared/wire/b.ts: shared/base has rank 0, shared/wire has rank 2, and arrows point down only',
    ],
    [
      'an arrow to a room of the same rank',
      { 'shared/wire/a.ts': "export { b } from '../topics/b.ts';", 'shared/topics/b.ts': '' },
      'shared/wire/a.ts imports shared/topics/b.ts: shared/wire has rank 2, shared/topics has rank 2, and arrows point down only',
    ],
    [
      'an import over several lines',
      { 'shared/base/a.ts': "import {\n  b,\n  c,\n} from '../wire/b.ts';", 'shared/wire/b.ts': '' },
      'shared/base/a.ts imports shared/wire/b.ts: shared/base has rank 0, shared/wire has rank 2, and arrows point down only',
    ],
    [
      'a cycle of types',
      {
        'shared/base/a.ts': "import type { B } from './b.ts';",
        'shared/base/b.ts': "import type { A } from './a.ts';",
      },
      'import cycle: shared/base/a.ts → shared/base/b.ts → shared/base/a.ts',
    ],
    [
      'an import of nothing',
      { 'shared/base/a.ts': "import { b } from './b.ts';" },
      'shared/base/a.ts imports shared/base/b.ts, which is no source file of shared/ or services/',
    ],
    [
      'a room that nobody knows',
      { 'shared/utils/a.ts': "import '../base/b.ts';", 'shared/base/b.ts': '' },
      'shared/utils/a.ts stands in no room',
    ],
    [
      'uWebSockets.js outside of its room',
      { 'services/gateway/hub/a.ts': "import * as ns from 'uWebSockets.js';" },
      'services/gateway/hub/a.ts imports uWebSockets.js: only services/gateway/uws/ may',
    ],
    [
      'ioredis outside of its room',
      { 'shared/engine/create-engine.ts': "const { Redis } = await import('ioredis');" },
      'shared/engine/create-engine.ts imports ioredis: only shared/engine/redis/ may',
    ],
    [
      'a core that names a dialect',
      {
        'services/gateway/core/a.ts': "import type { D } from '../dialects/dialect.ts';",
        'services/gateway/dialects/dialect.ts': '',
      },
      'services/gateway/core/a.ts imports services/gateway/dialects/dialect.ts: the core names no dialect',
    ],
    [
      'a dialect that sees the engine',
      {
        'services/gateway/dialects/chat.ts': "import type { Engine } from '../../../shared/engine/engine.ts';",
        'shared/engine/engine.ts': '',
      },
      'services/gateway/dialects/chat.ts imports shared/engine/engine.ts: a dialect never sees the engine',
    ],
    [
      'a dialect that sees the socket server',
      { 'services/gateway/dialects/chat.ts': "import { a } from '../uws/a.ts';", 'services/gateway/uws/a.ts': '' },
      'services/gateway/dialects/chat.ts imports services/gateway/uws/a.ts: a dialect never sees the socket server',
    ],
    [
      'a dialect that sees another one',
      {
        'services/gateway/dialects/chat/a.ts': "import { b } from '../native/b.ts';",
        'services/gateway/dialects/native/b.ts': '',
      },
      'services/gateway/dialects/chat/a.ts imports services/gateway/dialects/native/b.ts: a dialect never sees another dialect, nor the list of them',
    ],
    [
      'a client library that needs the log',
      { 'shared/client/a.ts': "import { log } from '../observe/log.ts';", 'shared/observe/log.ts': '' },
      'shared/client/a.ts imports shared/observe/log.ts: shared/client may use shared/base, shared/protocol, shared/topics, shared/wire only',
    ],
    [
      'a part of the client library that needs Node',
      { 'shared/wire/a.ts': "import { Buffer } from 'node:buffer';" },
      'shared/wire/a.ts imports node:buffer: shared/wire runs in browsers, too',
    ],
    [
      'a file that is too long',
      { 'shared/base/a.ts': '//\n'.repeat(301) },
      'shared/base/a.ts has 301 lines, more than 300',
    ],
  ])('%s', (_, files, fault) => {
    expect(faultsOf(files as Record<string, string>)).toEqual([fault]);
  });

  test('nothing to object to in a dialect of several files, its contract and the list', () => {
    const files = {
      'services/gateway/dialects/dialect.ts': "import type { Result } from '../../../shared/base/errors.ts';",
      'services/gateway/dialects/chat/chat.ts': "import { a } from './a.ts';\nimport type { D } from '../dialect.ts';",
      'services/gateway/dialects/chat/a.ts': "// import { x } from 'uWebSockets.js'\nconst from = 'ioredis';",
      'services/gateway/dialects/list.ts': "import { chat } from './chat/chat.ts';",
      'shared/base/errors.ts': '',
    };
    expect(faultsOf(files)).toEqual([]);
  });
});
