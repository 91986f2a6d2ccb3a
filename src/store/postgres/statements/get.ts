import { text } from '../../cell.ts';
import { stateOf } from '../../job-row.ts';
import { idList, JOB_ROWS, jobOf } from '../job-columns.ts';
import type { Verb } from '../verb.ts';

/** The jobs with these ids, in the order of the ids; one that is not there is left out. */
export const get: Verb<'get'> = async (tx, asked) => {
  const ids = idList([...new Set(asked.flatMap(({ options }) => options.ids))]);
  const rows = ids === '{}' ? [] : await tx.rows(`${JOB_ROWS} where jobs.id = any($1::uuid[])`, [ids]);
  const jobs = new Map(rows.map(jobOf).map((job) => [job.id, job]));
  return asked.map(({ options }) => options.ids.flatMap((id) => jobs.get(id) ?? []));
};

/** The states of the jobs with these ids; one that is not there is left out. */
export const states: Verb<'states'> = async (tx, asked) => {
  const ids = idList([...new Set(asked.flatMap(({ options }) => options.ids))]);
  const rows = ids === '{}' ? [] : await tx.lists('select id, state from @jobs where id = any($1::uuid[])', [ids]);
  const known = new Map(rows.map(([id, state]) => [text(id), stateOf(state)]));
  return asked.map(({ options }) =>
    options.ids.flatMap((id) => {
      const state = known.get(id);
      return state === undefined ? [] : [{ id, state }];
    }),
  );
};
