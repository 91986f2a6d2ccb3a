import type { Clock, TimerHandle } from '../kernel/clock.ts';
import type { CheckedSpec } from './child-spec.ts';
import type { ExitReason } from './exit.ts';
import type { Incarnation } from './incarnation.ts';

/** A wait for the next try to start a child. One that is no longer the record's `retry` is ignored. */
export interface Retry {
  /** The restart was counted already. */
  readonly counted: boolean;
  timer?: TimerHandle;
}

/** What a supervisor knows of one child. */
export interface ChildRecord {
  readonly spec: CheckedSpec;
  readonly input: unknown;
  status: 'running' | 'restarting' | 'stopped';
  /** The life that runs, or has ended and whose exit is not served yet. */
  life: Incarnation | undefined;
  /** The number of the latest attempt to start it; 0 before the first. */
  incarnation: number;
  /** How many starts succeeded. */
  starts: number;
  /** Why it last ended or did not start. */
  lastReason: ExitReason | undefined;
  retry: Retry | undefined;
  /** Restarts in a row, for the backoff. */
  attempt: number;
  startedAtMs: number;
}

/** A child that was never started. */
export function newRecord(spec: CheckedSpec, input: unknown): ChildRecord {
  return {
    spec,
    input,
    status: 'stopped',
    life: undefined,
    incarnation: 0,
    starts: 0,
    lastReason: undefined,
    retry: undefined,
    attempt: 0,
    startedAtMs: 0,
  };
}

/** How often the child was started again. */
export function restartsOf(record: ChildRecord): number {
  return Math.max(0, record.starts - 1);
}

/** Ends the wait for the next try, if there is one. */
export function cancelRetry(record: ChildRecord, clock: Clock): void {
  if (record.retry?.timer !== undefined) clock.clearTimeout(record.retry.timer);
  record.retry = undefined;
}
