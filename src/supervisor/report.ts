import type { ExitReason } from './exit.ts';

/**
 * What a supervisor tells the outside about its children, in the order in which it happened.
 *
 * - `child-started`, `child-restarted`: the child runs (and is ready, where it says when it is). A child's first start is
 *   the former, each later one the latter; `reason` is then why its last incarnation ended.
 * - `child-exited`: `reason` is `normal`, `shutdown`, `killed` or what was thrown.
 * - `start-failed`: an attempt to start it failed; `reason` is what was thrown.
 * - `gave-up`: more restarts than the intensity allows; `id` is the child that was one too many.
 */
export interface Report {
  readonly type: 'child-started' | 'child-exited' | 'child-restarted' | 'start-failed' | 'gave-up';
  /** The name of the supervisor that tells. */
  readonly supervisor: string;
  /** The child's id. */
  readonly id: string;
  /** Which of the child's lives, counted from 1; each attempt to start takes the next. */
  readonly incarnation: number;
  readonly reason?: ExitReason;
  /** Code of the child may still run: it could not be killed. Only on `child-exited`. */
  readonly leaked?: true;
}

/** Where reports go. What it throws is dropped. */
export type ReportListener = (report: Report) => void;
