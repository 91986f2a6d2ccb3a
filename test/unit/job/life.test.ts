import { describe, expect, it } from 'vitest';
import { LIFE_EVENTS, type LifeEvent, nextState, statesAllowing } from '../../../src/job/life.ts';
import { INCOMPLETE_STATES, isTerminal, JOB_STATES, type JobState, TERMINAL_STATES } from '../../../src/job/state.ts';

/**
 * The table of the design, section 5, row by row: from, event, to with attempts left, and to without where that differs.
 */
const TABLE: readonly (readonly [readonly JobState[], LifeEvent, JobState, JobState?])[] = [
  [['scheduled', 'retryable'], 'due', 'available'],
  [['scheduled', 'available', 'retryable'], 'postpone', 'scheduled'],
  [['available'], 'claim', 'executing'],
  [['executing'], 'complete', 'completed'],
  [['executing'], 'fail', 'retryable', 'discarded'],
  [['executing'], 'discard', 'discarded'],
  [['executing'], 'snooze', 'scheduled'],
  [['executing'], 'cancel', 'cancelled'],
  [['executing'], 'release', 'available'],
  [['executing'], 'rescue', 'available', 'discarded'],
  [['scheduled', 'available', 'retryable'], 'cancel', 'cancelled'],
  [['scheduled', 'available', 'retryable'], 'expire', 'cancelled'],
  [['scheduled', 'retryable', 'completed', 'cancelled', 'discarded'], 'retry', 'available'],
];

describe('the life of a job', () => {
  it.each([true, false])('has exactly the transitions of the table (attempts left: %s)', (attemptsLeft) => {
    for (const state of JOB_STATES) {
      for (const event of LIFE_EVENTS) {
        const row = TABLE.find(([from, name]) => name === event && from.includes(state));
        const to = row && (attemptsLeft ? row[2] : (row[3] ?? row[2]));
        expect(nextState(state, event, attemptsLeft), `${state} ${event}`).toBe(to);
      }
    }
  });

  it("names the states that allow an event, in the order of a job's life", () => {
    expect(statesAllowing('claim')).toEqual(['available']);
    expect(statesAllowing('due')).toEqual(['scheduled', 'retryable']);
    expect(statesAllowing('cancel')).toEqual(['scheduled', 'available', 'executing', 'retryable']);
    for (const event of LIFE_EVENTS) expect(statesAllowing(event).length).toBeGreaterThan(0);
  });

  it('leaves a terminal state only by a retry by hand', () => {
    for (const state of TERMINAL_STATES) {
      expect(isTerminal(state)).toBe(true);
      expect(LIFE_EVENTS.filter((event) => nextState(state, event) !== undefined)).toEqual(['retry']);
    }
    expect([...INCOMPLETE_STATES, ...TERMINAL_STATES].sort()).toEqual([...JOB_STATES].sort());
  });

  it('starts only what is available', () => {
    const into = JOB_STATES.filter((state) => LIFE_EVENTS.some((event) => nextState(state, event) === 'executing'));
    expect(into).toEqual(['available']);
  });
});
