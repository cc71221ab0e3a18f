import type { Stored } from '../../engine/engine.ts';

/** A run of the session that has not ended, from before its record is written until its messages are. */
export interface InLine {
  readonly invocation: string;
  readonly agent: string;
  readonly at: number;
  /** A later run wants its place. It is to be cancelled, also when it is written only after that. */
  readonly interrupted?: true;
}

/** What changes with every run of a session, and therefore stands apart from the session's record. */
export interface Desk {
  /** Only the first is worked on. */
  readonly line: readonly InLine[];
  /** How many the session has. They are numbered from 1 on, without holes. */
  readonly messages: number;
}

export const deskKey = 'desk';

const emptyDesk: Desk = { line: [], messages: 0 };

export function deskFrom(stored: Stored | undefined): Desk {
  return stored ? (JSON.parse(stored.value) as Desk) : emptyDesk;
}

/** Everything of one session changes together. */
export function homeOfSession(session: string): string {
  return `session.${session}`;
}
