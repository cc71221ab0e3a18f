import type { Result } from '../../../shared/base/errors.ts';

/** A run's topic, that a connection is to follow until the run's end. */
export interface Attachment {
  readonly topic: string;
  /** What follows this number; all that is kept where it is left out. */
  readonly after?: number | undefined;
  /** The run has ended: nothing comes any more but what is kept. */
  readonly over: boolean;
}

/** What one connection was promised, until it is made. There are no more of them than requests that asked. */
export interface Owed {
  readonly attachments: Map<string, Attachment>;
  making: Promise<Result<void>> | undefined;
  cancelRetry: () => void;
}
