import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, it, vi } from 'vitest';
import { INCOMPLETE_STATES } from '../../../src/job/state.ts';
import type { JobFilter } from '../../../src/store/job-store.ts';
import { failure, laterJob, newJob, StoreDriver, T0 } from '../../conformance/store/store-driver.ts';
import { StoreFolder } from './store-folder.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/**
 * Statements that may read more of the jobs than they answer, each with its bound.
 * - what executes is few, and sorted for a page of a list, or counted by partition when a queue's limits were changed;
 * - up to 20,000 available jobs of a queue are sorted for one;
 * - counting by anything but queue and state counts rows;
 * - the types of waiting jobs are read from so many rows as the caller allows.
 */
const BOUNDED = [
  /^select seq from jobs indexed by jobs_executing .* order by seq/,
  /^select seq, partition_key from jobs indexed by jobs_executing/,
  /^select seq from jobs indexed by jobs_(claim|aside) .* order by seq/,
  /^select queue, state, count\(\*\)/,
  /^select type, min\(queue\) from .* limit \?1/,
];

it('finds every job by an index: no scan and no sort, at any number of jobs', async () => {
  const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare');
  const here = new StoreFolder();
  const driver = new StoreDriver(here.open());
  await useEveryVerb(driver);
  await driver.store.close();
  const texts = new Set(prepare.mock.calls.map(([sql]) => sql).filter((sql) => /\bjobs\b/.test(sql)));
  prepare.mockRestore();
  expect(texts.size).toBeGreaterThan(30);
  const db = new DatabaseSync(here.path);
  const faults: string[] = [];
  for (const sql of texts) {
    const steps = db
      .prepare(`explain query plan ${sql}`)
      .all()
      .map(({ detail }) => String(detail));
    const bad = steps.filter((step) => /^SCAN jobs\b/.test(step) || /TEMP B-TREE/.test(step));
    const bounded = BOUNDED.some((pattern) => pattern.test(sql.replaceAll(/\s+/g, ' ')));
    const firstRowOnly = /\(select inserted_at from jobs order by seq limit 1\)/.test(sql);
    const dueByIndex = /from jobs indexed by jobs_due .* order by scheduled_at limit 1/s.test(sql);
    if (bad.length > 0 && !bounded && !firstRowOnly && !dueByIndex) faults.push(`${sql}\n  ${bad.join('\n  ')}`);
  }
  db.close();
  await here.dispose();
  expect(faults).toEqual([]);
});

async function useEveryVerb(driver: StoreDriver): Promise<void> {
  const reference = { type: 'a', id: 'b' };
  await driver.insert(newJob(), newJob({ reference }), laterJob(T0 + 5));
  const job = await driver.running({ queue: 'other' });
  await driver.claim({ types: ['test.job'], limit: 1 });
  await driver.beat([]);
  await driver.settle(job, failure());
  await driver.do('stage', { now: T0, limit: 9 });
  const filters: JobFilter[] = [{}, { queue: 'default' }, { reference }, { schedule: 's' }, { type: 't', tag: 'x' }];
  for (const order of ['asc', 'desc'] as const) {
    for (const filter of filters) await driver.do('list', { filter, limit: 5, order });
  }
  const policy = { withinMs: null, states: [...INCOMPLETE_STATES], onConflict: { kind: 'keep' } } as const;
  const unique = { ...policy, states: [...policy.states], key: 'k' };
  await driver.insert(newJob({ unique }), newJob({ unique, deadlineAt: T0 }));
  await driver.do('expire', { now: T0, limit: 9 });
  await driver.do('update', { now: T0, id: job.id, changes: { priority: 1 } });
  await driver.do('retry', { now: T0, id: job.id });
  await driver.do('delete', { now: T0, id: job.id });
  for (const action of ['cancel', 'retry', 'delete'] as const) {
    await driver.do('sweep', { now: T0, action, filter: {}, terminate: false, limit: 9 });
  }
  await driver.expectCountsHold();
}
