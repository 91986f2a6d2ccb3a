import { changedJob } from '../../../job/job-change.ts';
import { writeChanged } from '../changed-rows.ts';
import { lockedJob } from '../job-columns.ts';
import { type Asked, oneByOne, type Verb } from '../verb.ts';

/** Changes fields of one job that does not execute. */
export const update: Verb<'update'> = oneByOne(async (tx, { options, tell }: Asked<'update'>) => {
  const { now, id, changes } = options;
  const found = await lockedJob(tx, id);
  if (found === undefined) return { job: null, conflict: false };
  const after = changedJob(found.job, changes, now);
  if (after === undefined) return { job: found.job, conflict: true };
  await writeChanged(tx, { before: found.job, after }, { now, tell });
  return { job: after, conflict: false };
});
