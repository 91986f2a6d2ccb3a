import fc from 'fast-check';
import { expect } from 'vitest';
import { INCOMPLETE_STATES } from '../../src/job/state.ts';
import type { OnConflict } from '../../src/job/unique.ts';
import { newJob } from '../conformance/store/store-driver.ts';
import { addTo, command } from './job-life-command.ts';
import type { LifeModel } from './job-life-model.ts';

const conflicts = fc.constantFrom<OnConflict>(
  { kind: 'keep' },
  { kind: 'replace', fields: ['priority', 'scheduledAt'] },
  { kind: 'reschedule', maxWaitMs: 6_000 },
);

const insertUnique = fc
  .record({
    key: fc.constantFrom('k', 'l'),
    delayMs: fc.constantFrom(0, 0, 500, 9_000),
    priority: fc.integer({ min: 4, max: 6 }),
    onConflict: conflicts,
    withinMs: fc.constantFrom(null, 6_000),
  })
  .map(({ key, delayMs, priority, onConflict, withinMs }) =>
    command(`insert unique ${key} +${delayMs} within ${withinMs}, ${onConflict.kind}`, async (model, { driver }) => {
      const job = newJob({
        priority,
        insertedAt: model.now,
        scheduledAt: model.now + delayMs,
        state: delayMs > 0 ? 'scheduled' : 'available',
        unique: { key, withinMs, states: [...INCOMPLETE_STATES], onConflict },
      });
      const holder = model.holder(key, withinMs ?? Number.POSITIVE_INFINITY);
      const [result] = await driver.insert(job);
      expect(result).toMatchObject({ conflict: holder !== undefined, job: { id: holder?.id ?? job.id } });
      if (holder === undefined) return addTo(model, job);
      if (onConflict.kind === 'keep' || !model.waits(holder)) return expect(driver.facts).toEqual([]);
      if (onConflict.kind === 'replace') holder.priority = priority;
      const latestAt = onConflict.kind === 'reschedule' ? holder.insertedAt + 6_000 : Number.POSITIVE_INFINITY;
      model.moveTo(holder, Math.min(job.scheduledAt, latestAt));
    }),
  );

/** A job to do something to: the larger, the older. */
const pick = fc.nat(20);
const picked = (model: LifeModel, back: number) => [...model.jobs.values()].at(-1 - back);

const retry = pick.map((back) =>
  command(`retry the job ${back} back`, async (model, { driver }) => {
    const job = picked(model, back);
    if (job === undefined) return;
    const { conflict } = await driver.do('retry', { now: model.now, id: job.id });
    expect(conflict).toBe(!model.retry(job));
  }),
);

const remove = pick.map((back) =>
  command(`delete the job ${back} back`, async (model, { driver }) => {
    const job = picked(model, back);
    if (job === undefined) return;
    const { conflict } = await driver.do('delete', { now: model.now, id: job.id });
    expect(conflict).toBe(job.state === 'executing');
    if (!conflict) model.forget(job);
  }),
);

const update = fc
  .record({ back: pick, priority: fc.integer({ min: 4, max: 6 }), inMs: fc.constantFrom(null, -5, 0, 900, 9_000) })
  .map(({ back, priority, inMs }) =>
    command(`update the job ${back} back to priority ${priority} in ${inMs}`, async (model, { driver }) => {
      const job = picked(model, back);
      if (job === undefined) return;
      const time = inMs === null ? {} : { scheduledAt: model.now + inMs };
      const { conflict } = await driver.do('update', { now: model.now, id: job.id, changes: { priority, ...time } });
      expect(conflict).toBe(job.state === 'executing' || (inMs !== null && !model.waits(job)));
      if (conflict) return;
      job.priority = priority;
      if (inMs !== null) model.moveTo(job, model.now + inMs);
    }),
  );

const sweeps = fc
  .record({
    action: fc.constantFrom('cancel' as const, 'retry' as const, 'delete' as const),
    limit: fc.constantFrom(1, 3, 50),
  })
  .map(({ action, limit }) =>
    command(`${action} all, ${limit} a step`, async (model, { driver }) => {
      const all = [...model.jobs.values()];
      let done = 0;
      for (let from: { cursor?: string } = {}; ; ) {
        const options = { now: model.now, action, filter: {}, terminate: false, limit, ...from };
        const answer = await driver.do('sweep', options);
        expect(answer.done).toBeLessThanOrEqual(limit);
        done += answer.done;
        if (answer.cursor === null) break;
        from = { cursor: answer.cursor };
      }
      expect(done).toBe(all.filter((job) => model.sweep(job, action)).length);
    }),
  );

const expire = fc.constant(
  command('expire', async (model, { driver }) => {
    const waiting = [...model.jobs.values()].filter((job) => model.waits(job) && job.deadlineAt !== null);
    const late = waiting.filter(({ deadlineAt }) => (deadlineAt ?? 0) <= model.now);
    const left = waiting.flatMap(({ deadlineAt }) =>
      deadlineAt !== null && deadlineAt > model.now ? [deadlineAt] : [],
    );
    const answer = await driver.do('expire', { now: model.now, limit: 1_000 });
    expect(answer).toEqual({ expired: late.length, nextAt: left.length === 0 ? null : Math.min(...left) });
    for (const job of late) model.move(job, 'cancelled');
  }),
);

/** What is done to jobs by hand, by later equal ones and by their deadlines. */
export const CHANGE_COMMANDS = [insertUnique, insertUnique, retry, retry, remove, update, update, sweeps, expire];
