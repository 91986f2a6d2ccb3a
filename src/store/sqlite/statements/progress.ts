import { jobFact } from '../../../job/job-event.ts';
import { attemptOf, refusalOf } from '../../attempt-row.ts';
import { jsonCell } from '../../cell.ts';
import { ATTEMPT_COLUMNS } from '../job-columns.ts';
import type { StoreWorld, Verb } from '../verb.ts';

/** Signs of life of workers that claim or wait in a claim. */
export function touch(world: StoreWorld): Verb<'touch'> {
  return ({ now, workers }) => {
    for (const { worker, node } of workers) world.workers.seen(worker, node, now);
    return null;
  };
}

/** Keeps a running job's progress, fenced like a settlement. */
export function progress(world: StoreWorld): Verb<'progress'> {
  const read = world.lists(`select ${ATTEMPT_COLUMNS} from jobs where id = ?`);
  const write = world.rows('update jobs set progress = ? where seq = ?');
  return ({ now, worker, progress: value, ...ref }, tell) => {
    const [list] = read.all(ref.id);
    const row = list && attemptOf(list);
    const refused = refusalOf(row, ref, worker) ?? null;
    if (row === undefined || refused !== null) return { refused };
    write.run(jsonCell(value), row.seq);
    tell(jobFact('progress', row, { at: now, progress: value }));
    return { refused: null };
  };
}
