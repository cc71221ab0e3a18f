import { fail } from '../../base/errors.ts';
import type { Stored } from '../../engine/engine.ts';
import type { SessionRecord } from '../../protocol/sessions.ts';
import type { Identity } from '../identity.ts';

export const sessionKey = 'session';

/** The rev is the store's, of the record as a whole. */
export interface KeptSession extends Omit<SessionRecord, 'rev'> {
  /** The identity that made it, and that it belongs to. */
  readonly owner: string;
}

/**
 * What a deleted session leaves in the place of its record: nobody finds it any more, and revs go on from it. For as
 * long as events of its topics may be kept, the name is for its owner only.
 */
export interface GoneSession {
  readonly gone: true;
  readonly owner: string;
  /** The last number of its messages that is still to be purged; nothing where all that belonged to it is gone. */
  readonly lastMessage?: number;
}

export function sessionFrom(stored: Stored | undefined): KeptSession | undefined {
  const kept = stored && (JSON.parse(stored.value) as KeptSession | GoneSession);
  return kept && !('gone' in kept) ? kept : undefined;
}

export function goneFrom(stored: Stored | undefined): GoneSession | undefined {
  const kept = stored && (JSON.parse(stored.value) as KeptSession | GoneSession);
  return kept && 'gone' in kept ? kept : undefined;
}

/** For whoever it belongs to; another's is none. */
export function sessionOf(identity: Identity, stored: Stored | undefined): KeptSession | undefined {
  const kept = sessionFrom(stored);
  return kept && belongsTo(identity, kept) ? kept : undefined;
}

export function belongsTo(identity: Identity, { owner }: { readonly owner: string }): boolean {
  return identity.admin || owner === identity.id;
}

export function recordOf(kept: KeptSession, rev: number): SessionRecord {
  const { owner: _, ...record } = kept;
  return { ...record, rev };
}

export const noSession = fail('not_found', 'there is no such session');
