import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { agentRuns } from '../../../services/gateway/dialects/agent-runs/agent-runs.ts';
import { chat } from '../../../services/gateway/dialects/chat/chat.ts';
import { visualization } from '../../../services/gateway/dialects/visualization/visualization.ts';
import { checkpoints } from '../../../services/gateway/dialects/checkpoints/checkpoints.ts';
import { play } from '../../support/transcript.ts';

const fixtures = fileURLToPath(new URL('../../fixtures', import.meta.url));

/** What dialects say and do, frame for frame: each transcript is played, and must come out as it is written. */
describe.each([
  ['dialect-000', checkpoints],
  ['dialect-001', visualization],
  ['dialect-003', agentRuns],
  ['dialect-004', chat],
])('%s', (folder, dialect) => {
  test.each(readdirSync(`${fixtures}/${folder}`))('%s', (file) => {
    const transcript = readFileSync(`${fixtures}/${folder}/${file}`, 'utf8');
    expect(play(dialect, transcript)).toBe(transcript);
  });
});
