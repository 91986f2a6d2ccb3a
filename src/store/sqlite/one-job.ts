import type { Job } from '../../job/job.ts';
import { integer } from '../cell.ts';
import { jobOf } from '../job-row.ts';
import { JOB_COLUMNS } from './job-columns.ts';
import type { StoreWorld } from './verb.ts';

/** One job by its id, with its place; undefined: there is none. */
export type OneJob = (id: string) => { seq: number; job: Job } | undefined;

/** What the verbs on one job read it with. */
export function oneJob(world: StoreWorld): OneJob {
  const read = world.rows(`select seq, ${JOB_COLUMNS} from jobs where id = ?`);
  return (id) => {
    const row = read.get(id);
    return row && { seq: integer(row.seq), job: jobOf(row) };
  };
}
