import type fc from 'fast-check';
import { expect } from 'vitest';
import type { NewJob } from '../../src/job/job.ts';
import type { JobStore } from '../../src/store/job-store.ts';
import type { StoreDriver } from '../conformance/store/store-driver.ts';
import type { LifeModel } from './job-life-model.ts';

/** The store under test; `reopen` is there where it outlives a close. */
export interface LifeReal {
  driver: StoreDriver;
  reopen?: () => Promise<JobStore>;
}

/** One command of the model test. */
export type Command = fc.AsyncCommand<LifeModel, LifeReal>;

/** Makes a command: a name that prints, and what it does to both, ending with the comparison of all rows. */
export function command(name: string, run: (model: LifeModel, real: LifeReal) => Promise<void>): Command {
  return {
    check: () => true,
    toString: () => name,
    run: async (model, real) => {
      await run(model, real);
      await expectAgreement(model, real.driver);
    },
  };
}

/** Every row says what the model says, and the sums are the rows' sums. */
async function expectAgreement(model: LifeModel, driver: StoreDriver): Promise<void> {
  const rows = await driver.do('get', { ids: [...model.jobs.keys()] });
  const told = rows.map(({ id, state, attempt, run, worker, scheduledAt, errors }) => {
    return { id, state, attempt, run, worker, scheduledAt, errors: errors.length };
  });
  const expected = [...model.jobs.values()].map(({ id, state, attempt, run, worker, scheduledAt, errors }) => {
    return { id, state, attempt, run, worker, scheduledAt, errors: Math.min(errors, 20) };
  });
  expect(told).toEqual(expected);
  await driver.expectCountsHold();
}

/** A job that was inserted. */
export function addTo(
  model: LifeModel,
  { id, state, priority, scheduledAt, maxAttempts, deadlineAt, unique }: NewJob,
): void {
  const [none, counters] = [
    { worker: null, missedAt: null, terminate: null },
    { attempt: 0, run: 0, errors: 0, attemptedAt: 0, insertedAt: model.now },
  ];
  const own = { id, state, priority, scheduledAt, maxAttempts, deadlineAt, key: unique?.key ?? null };
  model.jobs.set(id, { ...own, ...none, ...counters });
}
