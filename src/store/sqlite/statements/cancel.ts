import { cancelFromOutside } from '../../../job/settlement.ts';
import { attemptOf, stoppedAttempt } from '../../attempt-row.ts';
import type { StoreAnswer } from '../../job-store.ts';
import { AttemptEnd } from '../attempt-end.ts';
import { ATTEMPT_COLUMNS } from '../job-columns.ts';
import { oneJob } from '../one-job.ts';
import type { StoreWorld, Tell, Verb } from '../verb.ts';

/** What became of a cancel. Undefined: there is no such job. */
export interface CancelResult extends Pick<StoreAnswer<'cancel'>, 'conflict' | 'wasRunning'> {
  id: string;
  queue: string;
}

/** Cancels the job at a place. */
export type CancelJob = (
  seq: number,
  options: { now: number; terminate: boolean; tell: Tell },
) => CancelResult | undefined;

/**
 * Cancels one job. One that is cancelled already is left as it is; if only now its thread is to be killed, that is kept
 * for the worker's next beat.
 */
export function cancelJob(world: StoreWorld): CancelJob {
  const read = world.lists(`select ${ATTEMPT_COLUMNS} from jobs where seq = ?`);
  const insist = world.rows('update jobs set terminate = 1 where seq = ?');
  const end = new AttemptEnd(world);

  return (seq, { now, terminate, tell }) => {
    const [list] = read.all(seq);
    if (list === undefined) return undefined;
    const row = attemptOf(list);
    const result: CancelResult = { id: row.id, queue: row.queue, conflict: false, wasRunning: null };
    const settlement = cancelFromOutside(row, now);
    if (settlement !== undefined) {
      const ran = row.state === 'executing';
      end.write(row, settlement, { now, tell, as: null, ...(ran ? { terminate } : {}) });
      if (ran) result.wasRunning = stoppedAttempt(row);
    } else if (row.state !== 'cancelled') {
      result.conflict = true;
    } else if (terminate && row.terminate === false) {
      insist.run(row.seq);
      result.wasRunning = stoppedAttempt(row);
    }
    return result;
  };
}

/** Cancels one job; the answer is the job as it is then. */
export function cancel(world: StoreWorld): Verb<'cancel'> {
  const cancelAt = cancelJob(world);
  const find = world.lists('select seq from jobs where id = ?');
  const one = oneJob(world);
  return ({ now, id, terminate }, tell) => {
    const seq = find.all(id)[0]?.[0];
    const result = typeof seq === 'number' ? cancelAt(seq, { now, terminate, tell }) : undefined;
    if (result === undefined) return { job: null, conflict: false, wasRunning: null };
    return { job: one(id)?.job ?? null, conflict: result.conflict, wasRunning: result.wasRunning };
  };
}
