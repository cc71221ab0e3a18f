import type { Stored } from '../../engine/engine.ts';
import type { Path } from './path.ts';

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
  /** The last number that was given to a message, the first being 1. */
  readonly lastMessage: number;
  /** Which of the messages are the session's now. */
  readonly path: Path;
}

export const deskKey = 'desk';
/** A list of the session: its runs, newest last. */
export const sessionRuns = 'runs';

const emptyDesk: Desk = { line: [], lastMessage: 0, path: [] };

export function deskFrom(stored: Stored | undefined): Desk {
  return stored ? (JSON.parse(stored.value) as Desk) : emptyDesk;
}

/** Everything of one session changes together. */
export function homeOfSession(session: string): string {
  return `session.${session}`;
}
