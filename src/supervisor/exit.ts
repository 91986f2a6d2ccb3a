import { SupervisorError } from './supervisor-error.ts';

/**
 * How a child ended.
 *
 * `normal`: it reached its final state by itself. `shutdown`: it ended because it was asked to, or is a supervisor that
 * gave up. `killed`: it was stopped without being asked, or its time was over. `error`: it failed.
 * `leaked` says that code of it may still run: JavaScript cannot be killed inside a thread.
 */
export type Exit = (
  | { readonly kind: 'normal' }
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'killed' }
  | { readonly kind: 'error'; readonly error: unknown }
) & { readonly leaked?: true };

/** What a report or `exited` shows of an exit: one of the three words, or for an abnormal exit what was thrown. */
export type ExitReason = unknown;

/**
 * The reason of an exit, for reports. Something thrown that could be mistaken for one of the words (a string, nothing at
 * all) is wrapped in an error.
 */
export function reasonOf(exit: Exit): ExitReason {
  if (exit.kind !== 'error') return exit.kind;
  const { error } = exit;
  if (error === undefined || error === null || typeof error === 'string') {
    return new SupervisorError('abnormal_exit', `ended abnormally: ${String(error)}`, { cause: error });
  }
  return error;
}

/** True for exits that a transient child is restarted after. */
export function isAbnormal(exit: Exit): boolean {
  return exit.kind === 'error' || exit.kind === 'killed';
}
