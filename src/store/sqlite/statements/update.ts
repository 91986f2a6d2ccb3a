import { changedJob } from '../../../job/job-change.ts';
import { writeChanged } from '../changed-rows.ts';
import { oneJob } from '../one-job.ts';
import type { StoreWorld, Verb } from '../verb.ts';

/** Changes fields of one job that does not execute. */
export function update(world: StoreWorld): Verb<'update'> {
  const one = oneJob(world);
  const write = writeChanged(world);
  return ({ now, id, changes }, tell) => {
    const found = one(id);
    if (found === undefined) return { job: null, conflict: false };
    const after = changedJob(found.job, changes, now);
    if (after === undefined) return { job: found.job, conflict: true };
    write({ before: found.job, after }, { seq: found.seq, now, tell });
    return { job: after, conflict: false };
  };
}
