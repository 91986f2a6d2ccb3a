import { jobOf, stateOf } from '../../job-row.ts';
import { JOB_COLUMNS } from '../job-columns.ts';
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

/** The states of the jobs with these ids; one that is not there is left out. */
export function states(world: StoreWorld): Verb<'states'> {
  const read = world.rows('select state from jobs where id = ?');
  return ({ ids }) =>
    ids.flatMap((id) => {
      const row = read.get(id);
      return row === undefined ? [] : [{ id, state: stateOf(row.state) }];
    });
}
