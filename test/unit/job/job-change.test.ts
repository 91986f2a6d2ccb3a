import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { storedJob } from '../../../src/job/job.ts';
import { afterConflict, changedJob, retriedByHand } from '../../../src/job/job-change.ts';
import { nextState } from '../../../src/job/life.ts';
import { isTerminal, JOB_STATES } from '../../../src/job/state.ts';
import { newJob } from '../../conformance/store/store-driver.ts';

const NOW = 10_000;
const state = fc.constantFrom(...JOB_STATES);
const job = fc
  .record({ state, attempt: fc.nat(9), maxAttempts: fc.integer({ min: 1, max: 9 }), scheduledAt: fc.nat(20_000) })
  .map((part) => ({ ...storedJob(newJob({ insertedAt: 0 })), ...part }));

describe('a change by hand', () => {
  it('moves only along the table, and never what executes', () => {
    fc.assert(
      fc.property(job, fc.nat(20_000), (before, scheduledAt) => {
        const after = changedJob(before, { scheduledAt }, NOW);
        const rests = before.state === 'available' && scheduledAt <= NOW;
        const to = rests ? 'available' : nextState(before.state, scheduledAt > NOW ? 'postpone' : 'due');
        expect(after?.state).toBe(before.state === 'executing' ? undefined : to);
        if (after !== undefined) expect(after).toEqual({ ...before, scheduledAt, state: after.state });
      }),
    );
  });

  it('leaves a waiting job an attempt, and an ended one what was said', () => {
    fc.assert(
      fc.property(job, fc.integer({ min: 1, max: 9 }), (before, maxAttempts) => {
        const after = changedJob(before, { maxAttempts }, NOW);
        expect(after === undefined).toBe(before.state === 'executing');
        if (after === undefined) return;
        const least = isTerminal(before.state) ? 1 : before.attempt + 1;
        expect(after.maxAttempts).toBe(Math.max(maxAttempts, least));
      }),
    );
  });

  it('answers the very job where nothing differs, whatever the order of keys', () => {
    const before = { ...storedJob(newJob()), args: { a: 1, b: 2 } };
    expect(changedJob(before, { args: { b: 2, a: 1 }, priority: before.priority }, NOW)).toBe(before);
    expect(changedJob(before, {}, NOW)).toBe(before);
  });
});

it('retries by hand along the table, with an attempt left, and lifts only a deadline that has passed', () => {
  fc.assert(
    fc.property(job, fc.option(fc.nat(20_000)), (before, deadlineAt) => {
      const retry = retriedByHand({ ...before, deadlineAt }, NOW);
      expect(retry?.state).toBe(nextState(before.state, 'retry'));
      if (retry === undefined) return;
      expect(retry.maxAttempts).toBe(Math.max(before.maxAttempts, before.attempt + 1));
      expect(retry.deadlineAt).toBe(deadlineAt !== null && deadlineAt > NOW ? deadlineAt : null);
      expect(retry.scheduledAt).toBe(NOW);
    }),
  );
});

describe('a conflict', () => {
  const claim = { key: 'k', withinMs: null, states: [...JOB_STATES] };

  it('never moves a debounced job beyond its longest wait, nor changes when it was inserted', () => {
    fc.assert(
      fc.property(job, fc.nat(30_000), fc.nat(20_000), (existing, scheduledAt, maxWaitMs) => {
        const unique = { ...claim, onConflict: { kind: 'reschedule', maxWaitMs } as const };
        const incoming = newJob({ insertedAt: NOW, scheduledAt, args: [scheduledAt], unique });
        const after = afterConflict(existing, incoming);
        if (existing.state === 'executing' || isTerminal(existing.state)) {
          expect(after).toBe(existing);
          return;
        }
        expect(after.scheduledAt).toBe(Math.min(scheduledAt, existing.insertedAt + maxWaitMs));
        expect(after.state).toBe(after.scheduledAt > NOW ? 'scheduled' : 'available');
        expect(after).toMatchObject({ id: existing.id, args: [scheduledAt], insertedAt: existing.insertedAt });
      }),
    );
  });

  it('replaces the named fields only, and keeps everything where it is told to', () => {
    const existing = storedJob(newJob({ tags: ['a'], meta: { m: 1 } }));
    const incoming = { ...newJob({ insertedAt: NOW, tags: ['b'], meta: { m: 2 }, priority: 1 }) };
    const replace = { ...claim, onConflict: { kind: 'replace', fields: ['tags', 'priority'] } as const };
    const unique = { ...replace, onConflict: { ...replace.onConflict, fields: [...replace.onConflict.fields] } };
    expect(afterConflict(existing, { ...incoming, unique })).toEqual({ ...existing, tags: ['b'], priority: 1 });
    expect(afterConflict(existing, { ...incoming, unique: { ...claim, onConflict: { kind: 'keep' } } })).toBe(existing);
    expect(afterConflict(existing, incoming)).toBe(existing);
  });
});
