import type { Job, NewJob } from '../../../job/job.ts';
import { afterConflict } from '../../../job/job-change.ts';
import { type Row, text } from '../../cell.ts';
import { writeChanged } from '../changed-rows.ts';
import { JOB_ROWS, type Placed, placedOf } from '../job-columns.ts';
import { texts, words } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import type { Placing } from './insert.ts';

/** The newest job of each unique key and state that is there, by {@link markOf}. */
export type Newest = ReadonlyMap<string, Placed>;

const markOf = (key: string, state: string): string => `${state} ${key}`;

/**
 * Looks for the jobs that new ones could be the same as. The group holds the locks of its keys since it began, so nobody
 * can come between this look and the insert. The rows are locked, for the policy may change them.
 */
export async function conflictOf(tx: Transaction, jobs: readonly NewJob[]): Promise<Newest> {
  const wanted = jobs.flatMap(({ unique }) =>
    (unique?.states ?? []).map((state) => ({ key: unique?.key ?? '', state })),
  );
  if (wanted.length === 0) return new Map();
  const found = await tx.lists(
    `select newest.id from unnest($1::text[], $2::text[]) as wanted (key, state) cross join lateral
      (select jobs.id from @jobs as jobs where jobs.unique_key = wanted.key and jobs.state = wanted.state
        order by jobs.seq desc limit 1) as newest`,
    [texts(wanted.map(({ key }) => key)), texts(wanted.map(({ state }) => state))],
  );
  if (found.length === 0) return new Map();
  const rows = await tx.rows(
    `${JOB_ROWS.replace('select ', 'select jobs.unique_key, ')} where jobs.id = any($1::uuid[])
      order by jobs.seq + 0 for update of jobs`,
    [words(found.map(([id]) => text(id)))],
  );
  return new Map(rows.map((row): [string, Placed] => [markOf(keyOf(row), placedOf(row).job.state), placedOf(row)]));
}

const keyOf = (row: Row): string => text(row.unique_key);

/** What became of unique jobs whose keys were looked for. */
export class UniqueJobs {
  readonly #newest: Newest;

  constructor(newest: Newest) {
    this.#newest = newest;
  }

  /** The job that a new one is the same as, after what the policy says was done to it. Undefined: there is none. */
  async atConflict(tx: Transaction, { job, tell }: Placing): Promise<Job | undefined> {
    const now = job.insertedAt;
    const found = this.#find(job, now);
    if (found === undefined) return undefined;
    const after = afterConflict(found.job, job);
    await writeChanged(tx, { before: found.job, after }, { now, tell });
    return after;
  }

  /** The newest job with the key that counts, for a state has them in order of insertion. */
  #find({ unique }: NewJob, now: number): Placed | undefined {
    let found: Placed | undefined;
    for (const state of unique?.states ?? []) {
      const one = this.#newest.get(markOf(unique?.key ?? '', state));
      if (one === undefined) continue;
      if (unique?.withinMs != null && now - one.job.insertedAt >= unique.withinMs) continue;
      if (found === undefined || one.seq > found.seq) found = one;
    }
    return found;
  }
}
