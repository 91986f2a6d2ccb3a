import type { Job, NewJob } from '../../../job/job.ts';
import { afterConflict } from '../../../job/job-change.ts';
import type { UniqueClaim } from '../../../job/unique.ts';
import { assert } from '../../../kernel/error.ts';
import { integer } from '../../cell.ts';
import { jobOf } from '../../job-row.ts';
import { writeChanged } from '../changed-rows.ts';
import { JOB_COLUMNS } from '../job-columns.ts';
import type { StoreWorld, Tell } from '../verb.ts';

/** Looks for the job that a new one is the same as, and does to it what the policy says. Undefined: there is none. */
export type AtConflict = (job: NewJob, unique: UniqueClaim, tell: Tell) => Job | undefined;

/** Uniqueness inside the transaction: one writer, so nobody can come between the look and the insert. */
export function uniqueJobs(world: StoreWorld): AtConflict {
  const newest = world.lists(`select seq, inserted_at from jobs indexed by jobs_unique
    where unique_key = ? and state = ? order by seq desc limit 1`);
  const read = world.rows(`select ${JOB_COLUMNS} from jobs where seq = ?`);
  const write = writeChanged(world);

  /** The newest job with the key that counts, for a state has them in order of insertion. */
  function find({ key, states, withinMs }: UniqueClaim, now: number): number | undefined {
    let found: number | undefined;
    for (const state of states) {
      const [row] = newest.all(key, state);
      if (row === undefined) continue;
      const [seq, insertedAt] = [integer(row[0]), integer(row[1])];
      if (withinMs !== null && now - insertedAt >= withinMs) continue;
      if (found === undefined || seq > found) found = seq;
    }
    return found;
  }

  return (job, unique, tell) => {
    const now = job.insertedAt;
    const seq = find(unique, now);
    if (seq === undefined) return undefined;
    const row = read.get(seq);
    assert(row !== undefined, 'a job that was just found is there');
    const before = jobOf(row);
    const after = afterConflict(before, job);
    write({ before, after }, { seq, now, tell });
    return after;
  };
}
