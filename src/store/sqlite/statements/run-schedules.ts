import type { InsertResult } from '../../job-store.ts';
import type { StoreWorld, Verb } from '../verb.ts';
import { placeJob } from './insert.ts';

/** Stores jobs that schedules were asked for by hand. They are no ticks: cursor, runs and last tick stay. */
export function runSchedules(world: StoreWorld): Verb<'runSchedules'> {
  const place = placeJob(world);
  const known = world.rows('select 1 from schedules where name = ?');
  const ran = world.rows('update schedules set ran_at = ?, ran_job_id = ? where name = ?');
  return ({ jobs }, tell) =>
    jobs.map((job): InsertResult | null => {
      const { name, at } = job.schedule ?? { name: '', at: 0 };
      if (known.get(name) === undefined) return null;
      const result = place(job, tell);
      if (!result.conflict) ran.run(at, job.id, name);
      return result;
    });
}
