import { createHash } from 'node:crypto';
import { must } from '../../base/assert.ts';
import type { Append } from '../../engine/engine.ts';
import type { Message } from '../../protocol/sessions.ts';
import { eventBody } from '../../wire/event-frame.ts';
import { homeOfSession } from './desk.ts';
import type { KeptSession } from './session-record.ts';

const hashPrefix = 'sha256-';

/** Tells of the sessions that are made for one identity. */
export function sessionsTopic(owner: string): string {
  return `$sessions.${segmentOf(owner)}`;
}

/** An identity may be called anything. One whose name cannot be a segment, or could be taken for a hash, stands by its hash. */
function segmentOf(owner: string): string {
  if (/^[\w-]{1,64}$/.test(owner) && !owner.startsWith(hashPrefix)) return owner;
  return hashPrefix + createHash('sha256').update(owner).digest('base64url');
}

export function toldOfSession({ session, name, createdAt, owner }: KeptSession): Append {
  return told(sessionsTopic(owner), { kind: 'created', session, name, createdAt });
}

/** Of a message that belongs to no run: a run's own events tell of its messages. */
export function toldOfMessage(session: string, message: Message): Append {
  return told(`${homeOfSession(session)}.messages`, { kind: 'message', ...message });
}

/** `event` is plain data: whatever a client had to say in it was checked before. */
function told(topic: string, event: object): Append {
  const body = eventBody(event);
  return { topic, body: must(body.ok ? body.value : undefined) };
}
