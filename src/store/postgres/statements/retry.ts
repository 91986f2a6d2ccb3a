import { retriedByHand } from '../../../job/job-change.ts';
import { jobFact } from '../../../job/job-event.ts';
import { attemptOf } from '../../attempt-row.ts';
import { integerOrNull } from '../../cell.ts';
import { ATTEMPT_ROWS, deadlineCell, lockedJob } from '../job-columns.ts';
import type { Transaction } from '../transaction.ts';
import { type Asked, oneByOne, type Tell, type Verb } from '../verb.ts';
import { sortJob } from './queue-sorting.ts';

/** Does something to the job with an id; false when its state does not allow it. */
export type JobDeed = (tx: Transaction, id: string, to: { now: number; tell: Tell }) => Promise<boolean>;

/**
 * Makes a job available by hand. Its result and progress go, for they are of a run that is over; its
 * errors stay. Whether a handler of its last run must still be told of a cancel stays too, until the next claim.
 */
export const retryJob: JobDeed = async (tx, id, { now, tell }) => {
  const [list] = await tx.lists(`${ATTEMPT_ROWS} where jobs.id = $1 for update of jobs`, [id]);
  if (list === undefined) return false;
  const row = attemptOf(list);
  const retried = retriedByHand({ ...row, deadlineAt: integerOrNull(deadlineCell(list)) }, now);
  if (retried === undefined) return false;
  const { state, scheduledAt, maxAttempts, deadlineAt } = retried;
  tx.starts.disturb();
  await tx.run(
    `update @jobs set state = $1, scheduled_at = $2, max_attempts = $3, deadline_at = $4, result = null,
      progress = null, missed_at = null
    where id = $5`,
    [state, scheduledAt, maxAttempts, deadlineAt, id],
  );
  // One that had ended may be from before its queue had partitions.
  await sortJob(tx, row.queue, id);
  tell(jobFact('retried', { ...row, ...retried }, { at: now }));
  return true;
};

/** Makes one job available by hand. */
export const retry: Verb<'retry'> = oneByOne(async (tx, { options: { now, id }, tell }: Asked<'retry'>) => {
  const before = await lockedJob(tx, id);
  if (before === undefined) return { job: null, conflict: false };
  const done = await retryJob(tx, before.job.id, { now, tell });
  return { job: done ? ((await lockedJob(tx, id))?.job ?? null) : before.job, conflict: !done };
});
