import { cancelFromOutside } from '../../../job/settlement.ts';
import { attemptOf, stoppedAttempt } from '../../attempt-row.ts';
import type { StoreAnswer } from '../../job-store.ts';
import { AttemptEnd } from '../attempt-end.ts';
import { ATTEMPT_ROWS, lockedJob } from '../job-columns.ts';
import type { Transaction } from '../transaction.ts';
import { type Asked, oneByOne, type Tell, type Verb } from '../verb.ts';

/** What became of a cancel. Undefined: there is no such job. */
export interface CancelResult extends Pick<StoreAnswer<'cancel'>, 'conflict' | 'wasRunning'> {
  id: string;
  queue: string;
}

/**
 * Cancels a job. One that is cancelled already is left as it is; if only now its thread is to be killed, that
 * is kept for the worker's next beat.
 */
export async function cancelJob(
  tx: Transaction,
  id: string,
  { now, terminate, tell }: { now: number; terminate: boolean; tell: Tell },
): Promise<CancelResult | undefined> {
  const [list] = await tx.lists(`${ATTEMPT_ROWS} where jobs.id = $1 for update of jobs`, [id]);
  if (list === undefined) return undefined;
  const row = attemptOf(list);
  const result: CancelResult = { id: row.id, queue: row.queue, conflict: false, wasRunning: null };
  const settlement = cancelFromOutside(row, now);
  if (settlement !== undefined) {
    const ran = row.state === 'executing';
    const end = new AttemptEnd();
    end.write(row, settlement, { now, tell, as: null, ...(ran ? { terminate } : {}) });
    await end.flush(tx);
    if (ran) result.wasRunning = stoppedAttempt(row);
  } else if (row.state !== 'cancelled') {
    result.conflict = true;
  } else if (terminate && row.terminate === false) {
    await tx.run('update @jobs set terminate = 1 where id = $1', [id]);
    result.wasRunning = stoppedAttempt(row);
  }
  return result;
}

/** Cancels one job; the answer is the job as it is then. */
export async function cancelOne(
  tx: Transaction,
  { now, id, terminate }: { now: number; id: string; terminate: boolean },
  tell: Tell,
): Promise<StoreAnswer<'cancel'>> {
  const found = await lockedJob(tx, id);
  const result = found && (await cancelJob(tx, found.job.id, { now, terminate, tell }));
  if (result === undefined) return { job: null, conflict: false, wasRunning: null };
  const { conflict, wasRunning } = result;
  return { job: (await lockedJob(tx, id))?.job ?? null, conflict, wasRunning };
}

/** {@link cancelOne} as a verb. */
export const cancel: Verb<'cancel'> = oneByOne((tx, { options, tell }: Asked<'cancel'>) =>
  cancelOne(tx, options, tell),
);
