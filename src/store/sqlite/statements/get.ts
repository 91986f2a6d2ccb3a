import { JOB_COLUMNS, jobOf } from '../job-row.ts';
import type { StoreWorld, Verb } from '../verb.ts';

/** The jobs with these ids, in the order of the ids; one that is not there is left out. */
export function get(world: StoreWorld): Verb<'get'> {
  const read = world.rows(`select ${JOB_COLUMNS} from jobs where id = ?`);
  return ({ ids }) =>
    ids.flatMap((id) => {
      const row = read.get(id);
      return row === undefined ? [] : [jobOf(row)];
    });
}
