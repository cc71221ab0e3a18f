import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import * as z from 'zod';
import { errorTable } from '../../../shared/base/errors.ts';
import { closeCodes } from '../../../shared/protocol/close-codes.ts';
import { pongFrame } from '../../../shared/protocol/ping.ts';
import { presenceEvent } from '../../../shared/protocol/presence.ts';
import { droppedFrame, errorFrame, eventFrame, goawayFrame, okFrame } from '../../../shared/protocol/pushes.ts';
import { requestSchemas, resultSchemas } from '../../../shared/protocol/requests.ts';
import { runEvents } from '../../../shared/protocol/run-events.ts';
import { proposalRecord } from '../../../shared/protocol/swarms.ts';
import { oldestSupportedVersion, protocolVersion, subprotocols } from '../../../shared/protocol/version.ts';
import { swarmConsensus, swarmVote } from '../../../shared/protocol/well-known.ts';

const frozen = JSON.parse(
  readFileSync(new URL('../../fixtures/native/frozen.json', import.meta.url), 'utf8'),
) as Record<string, string>;

const pushes = {
  event: eventFrame,
  dropped: droppedFrame,
  goaway: goawayFrame,
  ok: okFrame,
  error: errorFrame,
  pong: pongFrame,
};

const wire: Record<string, unknown> = {
  version: { protocolVersion, oldestSupportedVersion, subprotocols },
  'close codes': Object.entries(closeCodes).map(([name, { code, advice }]) => ({ name, code, advice })),
  'error codes': Object.entries(errorTable).map(([code, { status, retryable }]) => ({ code, status, retryable })),
};
const swarmEvents = { proposal: proposalRecord, vote: swarmVote, consensus: swarmConsensus };
const tables = {
  request: requestSchemas,
  result: resultSchemas,
  push: pushes,
  'run event': runEvents,
  'swarm event': swarmEvents,
  'presence event': { change: presenceEvent },
};
for (const [kind, table] of Object.entries(tables)) {
  for (const [name, schema] of Object.entries(table)) wire[`${kind} ${name}`] = z.toJSONSchema(schema, { io: 'input' });
}

/** Independent of the order in which a schema's fields are written down: the wire has none. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}

function hash(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(value)))
    .digest('hex')
    .slice(0, 16);
}

const advice = (name: string, now: string): string =>
  `"${name}" is not what clients were promised. If that was an accident, undo it. If a field or a message was added, ` +
  `describe it in docs/protocol.md and write "${name}": "${now}" into test/fixtures/native/frozen.json. If old clients ` +
  'would misread it, raise protocolVersion in shared/protocol/version.ts as well and describe the change of version.';

it.each([...new Set([...Object.keys(wire), ...Object.keys(frozen)])])('the wire stands still: %s', (name) => {
  const now = name in wire ? hash(wire[name]) : 'gone';
  expect(now === frozen[name] ? 'stands still' : advice(name, now)).toBe('stands still');
});
