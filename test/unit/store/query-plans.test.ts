import { constants, DatabaseSync } from 'node:sqlite';
import { afterEach, expect, it, vi } from 'vitest';
import { INCOMPLETE_STATES } from '../../../src/job/state.ts';
import { assert } from '../../../src/kernel/error.ts';
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
 * - the types of what a line of 20,000 at most has, when all of it is set aside;
 * - counting by anything but queue and state counts rows;
 * - the types of waiting jobs are read from so many rows as the caller allows.
 */
const BOUNDED = [
  /^select seq from jobs indexed by jobs_executing .* order by seq/,
  /^select seq, partition_key from jobs indexed by jobs_executing/,
  /^select seq from jobs indexed by jobs_(claim|aside) .* order by seq/,
  /^select distinct type from jobs indexed by jobs_claim /,
  /^select queue, state, count\(\*\)/,
  /^select type, min\(queue\) from .* limit \?1 \+ 0/,
];

it('finds every job by an index: no scan and no sort, at any number of jobs', async () => {
  const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare');
  const here = new StoreFolder();
  const driver = new StoreDriver(here.open());
  await useEveryVerb(driver);
  await driver.expectCountsHold();
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

it('prepares no statement anew when it is used: what is bound to it changes no plan', async () => {
  const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare');
  const here = new StoreFolder();
  const driver = new StoreDriver(here.open());
  await useEveryVerb(driver);
  const [db] = prepare.mock.instances;
  assert(db instanceof DatabaseSync, 'statements were prepared');
  const again = new Set<string>();
  // SQLite asks for leave whenever it prepares, so also when it does it by itself.
  db.setAuthorizer((_code, table) => {
    again.add(table ?? '');
    return constants.SQLITE_OK;
  });
  // Once more all are, for there is an authorizer now.
  await useEveryVerb(driver);
  expect(again).toContain('jobs');
  again.clear();
  prepare.mockClear();
  await useEveryVerb(driver);
  expect(prepare).not.toHaveBeenCalled();
  await driver.store.close();
  await here.dispose();
  expect([...again]).toEqual([]);
});

async function useEveryVerb(driver: StoreDriver): Promise<void> {
  const reference = { type: 'a', id: 'b' };
  await driver.insert(newJob(), newJob({ reference }), laterJob(T0 + 5));
  const job = await driver.running({ queue: 'other' });
  await claimEveryWay(driver);
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
  await driver.do('rescue', { now: T0, deadBefore: T0, limit: 9 });
  await driver.do('prune', { now: T0, keepMs: { completed: 9, cancelled: 9, discarded: 9 }, limit: 9 });
  await driver.do('schedules', {});
  await driver.do('scheduleChanges', { after: 0 });
  await driver.do('rejected', { limit: 9 });
  await driver.do('waitingTypes', { limit: 9 });
  await usePartitions(driver);
  for (const action of ['cancel', 'retry', 'delete'] as const) {
    await driver.do('sweep', { now: T0, action, filter: {}, terminate: false, limit: 9 });
  }
}

/** Claims all, and only some types, of what was just inserted: as it is remembered, and as it is read after a change. */
async function claimEveryWay(driver: StoreDriver): Promise<void> {
  for (const some of [{}, { types: ['test.job'] }]) {
    for (const changes of [undefined, { priority: 1 }]) {
      const job = newJob({ queue: 'ways' });
      await driver.insert(job);
      if (changes !== undefined) await driver.do('update', { now: T0, id: job.id, changes });
      expect(await driver.claim({ queue: 'ways', limit: 1, ...some })).toHaveLength(1);
    }
  }
}

/** Claims by partition, few and many. */
async function usePartitions(driver: StoreDriver): Promise<void> {
  const change = { partition: { by: 'args.to', limit: 2 } };
  await driver.do('changeQueue', { now: T0, queue: 'parts', change });
  for (let done = false; !done; ) ({ done } = await driver.do('sortPartitions', { queue: 'parts', limit: 500 }));
  await driver.insert(...Array.from({ length: 120 }, (_, at) => newJob({ queue: 'parts', args: { to: at % 40 } })));
  await driver.claim({ queue: 'parts', limit: 2 });
  await driver.claim({ queue: 'parts', limit: 60 });
}
