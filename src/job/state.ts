/** Every state of a job, in the order of its life. */
export const JOB_STATES = [
  'scheduled',
  'available',
  'executing',
  'retryable',
  'completed',
  'cancelled',
  'discarded',
] as const;
export type JobState = (typeof JOB_STATES)[number];

/** The states that a job leaves only when somebody retries it by hand. */
export const TERMINAL_STATES = ['completed', 'cancelled', 'discarded'] as const satisfies readonly JobState[];
export type TerminalState = (typeof TERMINAL_STATES)[number];

/** The states in which a job still has something to do. */
export const INCOMPLETE_STATES = JOB_STATES.filter((state) => !isTerminal(state));

/** Whether a job in this state has ended. */
export function isTerminal(state: JobState): state is TerminalState {
  return (TERMINAL_STATES as readonly JobState[]).includes(state);
}
