import { DELETABLE_STATES } from '../../../job/job-change.ts';
import { jobFact } from '../../../job/job-event.ts';
import { attemptOf } from '../../attempt-row.ts';
import { ATTEMPT_ROWS, lockedJob } from '../job-columns.ts';
import { type Asked, oneByOne, type Verb } from '../verb.ts';
import type { JobDeed } from './retry.ts';

/** Deletes a job. An end that was not told yet is told all the same: the outbox has it. */
export const deleteJob: JobDeed = async (tx, id, { now, tell }) => {
  const [list] = await tx.lists(`${ATTEMPT_ROWS} where jobs.id = $1 for update of jobs`, [id]);
  const row = list && attemptOf(list);
  if (row === undefined || !DELETABLE_STATES.includes(row.state)) return false;
  await tx.run('delete from @jobs where id = $1', [id]);
  tell(jobFact('deleted', row, { at: now }));
  return true;
};

/** Deletes one job; the answer is the job as it was. */
export const deleteOne: Verb<'delete'> = oneByOne(async (tx, { options: { now, id }, tell }: Asked<'delete'>) => {
  const found = await lockedJob(tx, id);
  if (found === undefined) return { job: null, conflict: false };
  return { job: found.job, conflict: !(await deleteJob(tx, found.job.id, { now, tell })) };
});
