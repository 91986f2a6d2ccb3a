import fc from 'fast-check';
import { expect } from 'vitest';
import type { Outcome } from '../../src/job/outcome.ts';
import { assert } from '../../src/kernel/error.ts';
import { newJob, type StoreDriver } from '../conformance/store/store-driver.ts';
import { CHANGE_COMMANDS } from './job-change-commands.ts';
import { addTo, command } from './job-life-command.ts';
import { BEAT_MS, LEASE_MS, type LifeModel, type ModelOutcome } from './job-life-model.ts';

const insert = fc
  .record({
    jobs: fc.array(
      fc.record({
        priority: fc.integer({ min: 4, max: 6 }),
        delayMs: fc.constantFrom(0, 0, 500, 9_000),
        deadlineMs: fc.constantFrom(null, null, null, 700, 6_000),
      }),
      {
        minLength: 1,
        maxLength: 4,
      },
    ),
    maxAttempts: fc.integer({ min: 1, max: 3 }),
    repeat: fc.boolean(),
  })
  .map(({ jobs, maxAttempts, repeat }) =>
    command(`insert ${JSON.stringify(jobs)} (attempts ${maxAttempts}, repeat ${repeat})`, async (model, { driver }) => {
      const rows = jobs.map(({ priority, delayMs, deadlineMs }) =>
        newJob({
          priority,
          maxAttempts,
          insertedAt: model.now,
          scheduledAt: model.now + delayMs,
          deadlineAt: deadlineMs === null ? null : model.now + deadlineMs,
          state: delayMs > 0 ? 'scheduled' : 'available',
        }),
      );
      await driver.insert(...rows);
      if (repeat) {
        const again = await driver.insert(...rows);
        expect(again.every(({ conflict }) => conflict)).toBe(true);
      }
      for (const row of rows) addTo(model, row);
    }),
  );

const workers = fc.constantFrom('worker-a', 'worker-b', 'worker-c');

const claim = fc.tuple(workers, fc.integer({ min: 1, max: 5 })).map(([worker, limit]) =>
  command(`claim ${limit} by ${worker}`, async (model, { driver }) => {
    const expected = model.claimable(limit);
    const claimed = await driver.claim({ now: model.now, worker, limit });
    expect(claimed.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
    model.seenAt.set(worker, model.now);
    for (const job of expected) model.claim(job, worker);
    expect(claimed.map(({ attempt, run }) => [attempt, run])).toEqual(
      expected.map(({ attempt, run }) => [attempt, run]),
    );
  }),
);

const outcomes = fc.constantFrom<ModelOutcome>(
  'complete',
  'complete',
  'fail',
  'snooze',
  'cancel',
  'discard',
  'release',
);

function outcomeOf(outcome: ModelOutcome): Outcome {
  switch (outcome) {
    case 'complete':
      return { outcome, result: 1 };
    case 'fail':
      return { outcome, error: { kind: 'error', message: 'x' }, retryInMs: 1_000 };
    case 'snooze':
      return { outcome, forMs: 2_000 };
    case 'cancel':
    case 'discard':
      return { outcome, reason: 'x' };
    case 'release':
      return { outcome };
  }
}

/** Picks a run from the newest: the larger, the staler. */
const staleness = fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 0, max: 2 }) }, fc.nat(30));

const settle = fc
  .record({ back: staleness, outcome: outcomes, stranger: fc.constantFrom(null, null, null, 'worker-b') })
  .map(({ back, outcome, stranger }) =>
    command(
      `settle the run ${back} back as ${outcome}${stranger ? ` by ${stranger}` : ''}`,
      async (model, { driver }) => {
        const run = model.runs.at(-1 - back);
        if (run === undefined) return;
        const worker = stranger ?? run.worker;
        const job = model.job(run.id);
        const answer = await driver.settle(run, outcomeOf(outcome), { now: model.now, worker });
        model.seenAt.set(worker, model.now);
        if (model.owns(run, worker)) {
          model.end(job, outcome);
          expect(answer).toEqual({ settled: [{ id: job.id, state: job.state }], refused: [] });
          expect(driver.facts).toHaveLength(1);
          return;
        }
        expect(driver.facts).toEqual([]);
        // Of a repeat the store only remembers the job's newest settled run; it may know it or refuse it.
        const isRepeat = run.settledAs === outcome;
        if (isRepeat && answer.settled.length > 0) expect(answer.settled).toEqual([{ id: job.id, state: job.state }]);
        else expect(answer.refused[0]?.reason).toBe(job.state === 'executing' ? 'not_owner' : 'not_executing');
        const isNewest = job.run === run.run && worker === run.worker;
        if (isRepeat && isNewest) expect(answer.settled).toHaveLength(1);
      },
    ),
  );

const beat = fc.tuple(workers, fc.array(fc.boolean(), { maxLength: 8 })).map(([worker, lists]) =>
  command(`beat of ${worker} listing ${lists.map(Number).join('') || 'nothing'}`, async (model, { driver }) => {
    const known = model.runs.filter((run) => run.worker === worker).slice(-8);
    const newest = known.filter((run) => model.job(run.id).run === run.run);
    const listed = newest.filter((_, index) => lists[index]);
    const expected = { cancel: [] as { id: string; terminate: boolean }[], lost: [] as string[] };
    for (const run of listed) {
      const { id, state, terminate } = model.job(run.id);
      if (state === 'executing') continue;
      if (terminate === null) expected.lost.push(id);
      else expected.cancel.push({ id, terminate });
    }
    expect(await driver.beat(listed, { now: model.now, worker, beatMs: BEAT_MS })).toEqual(expected);
    model.seenAt.set(worker, model.now);
    const released: string[] = [];
    for (const job of model.jobs.values()) {
      if (job.state !== 'executing' || job.worker !== worker) continue;
      if (listed.some(({ id }) => id === job.id)) job.missedAt = null;
      else if (model.now - (job.missedAt ?? job.attemptedAt) < BEAT_MS) continue;
      else if (job.missedAt === null) job.missedAt = model.now;
      else {
        model.end(job, 'release');
        released.push(job.id);
      }
    }
    expect(new Set(driver.facts.map(({ id }) => id))).toEqual(new Set(released));
  }),
);

const cancel = fc.tuple(fc.nat(20), fc.boolean()).map(([pick, terminate]) =>
  command(`cancel the job ${pick} back${terminate ? ', terminating' : ''}`, async (model, { driver }) => {
    const job = [...model.jobs.values()].at(-1 - pick);
    if (job === undefined) return;
    const answer = await driver.do('cancel', { now: model.now, id: job.id, terminate });
    const { state } = job;
    expect(answer.conflict).toBe(state === 'completed' || state === 'discarded');
    const insists = state === 'cancelled' && terminate && job.terminate === false;
    const { worker, run, insertedAt } = job;
    expect(answer.wasRunning).toEqual(state === 'executing' || insists ? { worker, run, insertedAt } : null);
    if (insists) job.terminate = true;
    if (answer.conflict || state === 'cancelled') return;
    model.move(job, 'cancelled');
    if (state !== 'executing') return;
    job.errors++;
    job.terminate = terminate;
  }),
);

const stage = fc.constant(
  command('stage', async (model, { driver }) => {
    const due = [...model.jobs.values()].filter(
      ({ state, scheduledAt }) => (state === 'scheduled' || state === 'retryable') && scheduledAt <= model.now,
    );
    const answer = await driver.do('stage', { now: model.now, limit: 1_000 });
    for (const job of due) model.move(job, 'available');
    const waiting = [...model.jobs.values()].filter(({ state }) => state === 'scheduled' || state === 'retryable');
    const nextAt = waiting.length === 0 ? null : Math.min(...waiting.map(({ scheduledAt }) => scheduledAt));
    expect(answer).toEqual({ staged: due.length, queues: due.length > 0 ? ['default'] : [], nextAt });
  }),
);

const rescue = fc.constant(
  command('rescue', async (model, { driver }) => {
    const deadBefore = model.now - LEASE_MS;
    const orphans = [...model.jobs.values()].filter(({ state, worker }) => {
      return state === 'executing' && (model.seenAt.get(worker ?? '') ?? 0) < deadBefore;
    });
    const answer = await driver.do('rescue', { now: model.now, deadBefore, limit: 1_000 });
    for (const job of orphans) model.rescue(job);
    expect(answer.rescued).toBe(orphans.length);
  }),
);

const clock = fc.constantFrom(1, 700, 5_000, 5_000, 31_000, -2_000).map((ms) =>
  command(`clock ${ms > 0 ? '+' : ''}${ms}`, async (model) => {
    model.now += ms;
  }),
);

const reopen = fc.constant(
  command('reopen', async (_model, real) => {
    if (real.reopen === undefined) return;
    await real.driver.store.close();
    real.driver.store = await real.reopen();
  }),
);

/** Every command; the common ones more often. */
export const LIFE_COMMANDS = [
  insert,
  claim,
  claim,
  settle,
  settle,
  settle,
  beat,
  beat,
  cancel,
  stage,
  rescue,
  ...CHANGE_COMMANDS,
  clock,
  clock,
  reopen,
];

/** At the end: what ended is told exactly once, and only what the model ended. */
export async function expectOutbox(model: LifeModel, driver: StoreDriver): Promise<void> {
  const facts = await driver.do('unannounced', { after: 0, limit: 100_000 });
  assert(new Set(facts.map(({ outboxSeq }) => outboxSeq)).size === facts.length, 'places differ');
  expect(facts.map(({ id, what }) => `${id} ${what}`).sort()).toEqual(model.ends.toSorted());
}
