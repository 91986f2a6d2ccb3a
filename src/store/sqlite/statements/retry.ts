import { retriedByHand } from '../../../job/job-change.ts';
import { jobFact } from '../../../job/job-event.ts';
import { attemptOf } from '../../attempt-row.ts';
import { integerOrNull } from '../../cell.ts';
import { ATTEMPT_COLUMNS } from '../job-columns.ts';
import { oneJob } from '../one-job.ts';
import type { StoreWorld, Tell, Verb } from '../verb.ts';
import { sortJob } from './queue-sorting.ts';

/** Does something to the job at a place; false when its state does not allow it. */
export type JobDeed = (seq: number, to: { now: number; tell: Tell }) => boolean;

/**
 * Makes the job at a place available by hand. Its result and progress go, for they are of a run that is over; its
 * errors stay. Whether a handler of its last run must still be told of a cancel stays too, until the next claim.
 */
export function retryJob(world: StoreWorld): JobDeed {
  const read = world.lists(`select ${ATTEMPT_COLUMNS}, jobs.deadline_at from jobs where seq = ?`);
  const sort = sortJob(world);
  const write =
    world.rows(`update jobs set state = ?, scheduled_at = ?, max_attempts = ?, deadline_at = ?, result = null,
      progress = null, missed_at = null, aside = null
    where seq = ?`);
  return (seq, { now, tell }) => {
    const [list] = read.all(seq);
    if (list === undefined) return false;
    const row = attemptOf(list);
    const retry = retriedByHand({ ...row, deadlineAt: integerOrNull(list.at(-1)) }, now);
    if (retry === undefined) return false;
    const { state, scheduledAt, maxAttempts, deadlineAt } = retry;
    write.run(state, scheduledAt, maxAttempts, deadlineAt, seq);
    // One that had ended may be from before its queue had partitions.
    sort(row.queue, seq);
    world.counts.move(seq, { queue: row.queue, from: row.state, to: state });
    tell(jobFact('retried', { ...row, ...retry }, { at: now }));
    return true;
  };
}

/** Makes one job available by hand. */
export function retry(world: StoreWorld): Verb<'retry'> {
  const deed = retryJob(world);
  const one = oneJob(world);
  return ({ now, id }, tell) => {
    const before = one(id);
    if (before === undefined) return { job: null, conflict: false };
    const done = deed(before.seq, { now, tell });
    return { job: done ? (one(id)?.job ?? null) : before.job, conflict: !done };
  };
}
