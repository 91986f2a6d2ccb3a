import { initialTransition, setup, transition } from 'xstate';
import { assert } from '../kernel/error.ts';
import { JOB_STATES, type JobState } from './state.ts';

/** What can happen to a job, in the words of the transition table. */
export const LIFE_EVENTS = [
  'due',
  'postpone',
  'claim',
  'complete',
  'fail',
  'discard',
  'snooze',
  'cancel',
  'expire',
  'release',
  'rescue',
  'retry',
] as const;
export type LifeEvent = (typeof LIFE_EVENTS)[number];

const cancellable = { cancel: 'cancelled', expire: 'cancelled' } as const;

/**
 * The life of a job: the one place that says which transition is legal. `fail` and `rescue` branch on whether attempts
 * are left; everything else depends on the state alone. Stores take their rules from {@link nextState} and
 * {@link statesAllowing}, which are tables computed from this machine.
 */
export const lifeMachine = setup({
  types: {
    input: {} as { state: JobState; attemptsLeft: boolean },
    context: {} as { state: JobState; attemptsLeft: boolean },
    events: {} as { type: LifeEvent },
  },
  guards: { attemptsLeft: ({ context }) => context.attemptsLeft },
}).createMachine({
  id: 'job',
  context: ({ input }) => input,
  initial: 'entering',
  states: {
    // A row read back enters its own state at once; a job has no state before its row.
    entering: {
      always: JOB_STATES.map((state) => ({
        guard: ({ context }: { context: { state: JobState } }) => context.state === state,
        target: state,
      })),
    },
    scheduled: { on: { ...cancellable, due: 'available', postpone: 'scheduled', retry: 'available' } },
    available: { on: { ...cancellable, claim: 'executing', postpone: 'scheduled' } },
    executing: {
      on: {
        complete: 'completed',
        fail: [{ guard: 'attemptsLeft', target: 'retryable' }, { target: 'discarded' }],
        discard: 'discarded',
        snooze: 'scheduled',
        cancel: 'cancelled',
        release: 'available',
        rescue: [{ guard: 'attemptsLeft', target: 'available' }, { target: 'discarded' }],
      },
    },
    retryable: { on: { ...cancellable, due: 'available', postpone: 'scheduled', retry: 'available' } },
    completed: { on: { retry: 'available' } },
    cancelled: { on: { retry: 'available' } },
    discarded: { on: { retry: 'available' } },
  },
});

type Row = Record<LifeEvent, JobState | undefined>;

function tableWhen(attemptsLeft: boolean): Record<JobState, Row> {
  const rows = JOB_STATES.map((state) => {
    const [snapshot] = initialTransition(lifeMachine, { state, attemptsLeft });
    const row = LIFE_EVENTS.map((type) => {
      if (!snapshot.can({ type })) return [type, undefined];
      const [next] = transition(lifeMachine, snapshot, { type });
      return [type, next.value];
    });
    return [state, Object.fromEntries(row)];
  });
  // The keys are the machine's own states and events, so the shape holds by construction.
  return Object.fromEntries(rows) as Record<JobState, Row>;
}

const TABLES = { left: tableWhen(true), none: tableWhen(false) };

/**
 * Where an event takes a job, or undefined when it is not allowed there.
 * @param state where the job is
 * @param event what happens to it
 * @param attemptsLeft whether `attempt < maxAttempts`; only `fail` and `rescue` ask
 */
export function nextState(state: JobState, event: LifeEvent, attemptsLeft = true): JobState | undefined {
  return TABLES[attemptsLeft ? 'left' : 'none'][state][event];
}

/** The state that an event leads to which is allowed there, with attempts left. @throws AssertionError where it is not */
export function stateAfter(state: JobState, event: LifeEvent): JobState {
  const after = nextState(state, event);
  assert(after !== undefined, `${event} is allowed of what is ${state}`);
  return after;
}

/** The states in which an event is allowed; what a store puts in the `where` of its statement. */
export function statesAllowing(event: LifeEvent): JobState[] {
  return JOB_STATES.filter((state) => nextState(state, event) !== undefined);
}
