import { DELETABLE_STATES } from '../../../job/job-change.ts';
import { jobFact } from '../../../job/job-event.ts';
import { attemptOf } from '../../attempt-row.ts';
import { ATTEMPT_COLUMNS } from '../job-columns.ts';
import { oneJob } from '../one-job.ts';
import type { StoreWorld, Verb } from '../verb.ts';
import type { JobDeed } from './retry.ts';

/** Deletes the job at a place. An end that was not told yet is told all the same: the outbox has it. */
export function deleteJob(world: StoreWorld): JobDeed {
  const read = world.lists(`select ${ATTEMPT_COLUMNS} from jobs where seq = ?`);
  const remove = world.rows('delete from jobs where seq = ?');
  return (seq, { now, tell }) => {
    const [list] = read.all(seq);
    const row = list && attemptOf(list);
    if (row === undefined || !DELETABLE_STATES.includes(row.state)) return false;
    remove.run(seq);
    world.places.removed();
    world.counts.put(seq, { queue: row.queue, state: row.state, jobs: -1 });
    tell(jobFact('deleted', row, { at: now }));
    return true;
  };
}

/** Deletes one job; the answer is the job as it was. */
export function deleteOne(world: StoreWorld): Verb<'delete'> {
  const deed = deleteJob(world);
  const one = oneJob(world);
  return ({ now, id }, tell) => {
    const found = one(id);
    if (found === undefined) return { job: null, conflict: false };
    return { job: found.job, conflict: !deed(found.seq, { now, tell }) };
  };
}
