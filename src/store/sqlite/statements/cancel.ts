import { cancelFromOutside } from '../../../job/settlement.ts';
import type { StoreAnswer } from '../../job-store.ts';
import { AttemptEnd } from '../attempt-end.ts';
import { ATTEMPT_COLUMNS, type AttemptRow, attemptOf } from '../attempt-row.ts';
import { JOB_COLUMNS, jobOf } from '../job-row.ts';
import type { StoreWorld, Verb } from '../verb.ts';

/**
 * Cancels one job. One that is cancelled already is answered as it is; if only now its thread is to be killed, that is
 * kept for the worker's next beat.
 */
export function cancel(world: StoreWorld): Verb<'cancel'> {
  const read = world.lists(`select ${ATTEMPT_COLUMNS} from jobs where id = ?`);
  const whole = world.rows(`select ${JOB_COLUMNS} from jobs where seq = ?`);
  const insist = world.rows('update jobs set terminate = 1 where seq = ?');
  const end = new AttemptEnd(world);

  return ({ now, id, terminate }, tell) => {
    const [list] = read.all(id);
    if (list === undefined) return { job: null, conflict: false, wasRunning: null };
    const row = attemptOf(list);
    let conflict = false;
    let wasRunning: StoreAnswer<'cancel'>['wasRunning'] = null;
    const settlement = cancelFromOutside(row, now);
    if (settlement !== undefined) {
      const ran = row.state === 'executing';
      end.write(row, settlement, { now, tell, as: null, ...(ran ? { terminate } : {}) });
      if (ran) wasRunning = attemptToTell(row);
    } else if (row.state !== 'cancelled') {
      conflict = true;
    } else if (terminate && row.terminate === false) {
      insist.run(row.seq);
      wasRunning = attemptToTell(row);
    }
    const job = whole.get(row.seq);
    return { job: job === undefined ? null : jobOf(job), conflict, wasRunning };
  };
}

function attemptToTell({ worker, run }: AttemptRow): { worker: string; run: number } | null {
  return worker === null ? null : { worker, run };
}
