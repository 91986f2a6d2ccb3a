import { text } from '../../cell.ts';
import type { InsertResult } from '../../job-store.ts';
import { texts } from '../sql-list.ts';
import { type Asked, oneByOne, type Verb } from '../verb.ts';
import { placeJobs } from './insert.ts';

/** Stores jobs that schedules were asked for by hand. They are no ticks: cursor, runs and last tick stay. */
export const runSchedules: Verb<'runSchedules'> = oneByOne(async (tx, { options, tell }: Asked<'runSchedules'>) => {
  const { jobs } = options;
  const names = [...new Set(jobs.map(({ schedule }) => schedule?.name ?? ''))];
  const rows = await tx.lists('select name from @schedules where name = any($1::text[]) order by name for update', [
    texts(names),
  ]);
  const known = new Set(rows.map(([name]) => text(name)));
  const results: (InsertResult | null)[] = [];
  for (const job of jobs) {
    const { name, at } = job.schedule ?? { name: '', at: 0 };
    const [result] = known.has(name) ? await placeJobs(tx, [{ job, tell }]) : [];
    if (result?.conflict === false) {
      await tx.run('update @schedules set ran_at = $1, ran_job_id = $2 where name = $3', [at, job.id, name]);
    }
    results.push(result ?? null);
  }
  return results;
});
