/** What the two processes of the control of runs have in common. */

export const queueName = 'bare';
/** A run that is to be cancelled, by its id. */
export const cancelChannel = 'cancels';

/** The inputs of `echo` and `countdown`, one or the other. */
export interface Asked {
  readonly text?: string;
  readonly delayMs?: number;
  readonly from?: number;
  readonly intervalMs?: number;
}

const end = /"kind":"(completed|cancelled)"/;

export function endOf(event: string): boolean {
  return end.test(event);
}
