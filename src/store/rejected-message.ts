import type { Issue } from '../kernel/error.ts';

/** A message of the durable intake that became no job. `at` is when it was rejected, milliseconds since the epoch. */
export interface RejectedMessage {
  /** The same whenever the message comes again: it is kept once. */
  key: string;
  at: number;
  /** As the subject has it, whether or not there is such a queue. */
  queue: string;
  msgId: string | null;
  code: string;
  message: string;
  issues: readonly Issue[];
}

/** A page of rejected messages, newest first. `cursor` is opaque text from the page before; null: there is no more. */
export interface RejectedPage {
  rejected: RejectedMessage[];
  cursor: string | null;
}

/** Messages that are kept; the oldest give way to newer ones. */
export const REJECTED_MAX = 10_000;
/** How long a rejected message is kept, in milliseconds. */
export const REJECTED_KEEP_MS = 30 * 86_400_000;
