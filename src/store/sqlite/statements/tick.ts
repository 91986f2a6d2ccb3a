import { type Job, storedJob } from '../../../job/job.ts';
import { integerOrNull } from '../cell.ts';
import type { StoreWorld, Verb } from '../verb.ts';
import { insertJob } from './insert.ts';
import { currentTerm } from './leadership.ts';
import { staleTerm } from './schedules.ts';

/**
 * Records ticks: each cursor moves, only forward, and the tick's job is inserted in the same transaction. A nominal time
 * up to `lastAt` as it was before the request is a repeat, also when its job has been pruned since. A schedule that was
 * removed meanwhile makes nothing.
 */
export function tick(world: StoreWorld): Verb<'tick'> {
  const term = currentTerm(world);
  const put = insertJob(world);
  const read = world.rows('select last_at from schedules where name = ?');
  const moveCursor = world.rows('update schedules set cursor_at = max(cursor_at, ?) where name = ?');
  const record = world.rows(`update schedules set runs = runs + 1, last_at = max(coalesce(last_at, ?1), ?1),
      last_job_id = iif(?1 >= coalesce(last_at, ?1), ?2, last_job_id)
    where name = ?3`);
  return ({ term: claimed, ticks }, tell) => {
    const refusal = staleTerm(claimed, term());
    if (refusal) return refusal;
    const before = new Map<string, number | null | undefined>();
    const inserted: Job[] = [];
    for (const { schedule, cursorAt, nominalAt, job } of ticks) {
      if (!before.has(schedule)) {
        const row = read.get(schedule);
        before.set(schedule, row === undefined ? undefined : integerOrNull(row.last_at));
      }
      const lastAt = before.get(schedule);
      if (lastAt === undefined) continue;
      moveCursor.run(cursorAt, schedule);
      if (job === null || (lastAt !== null && nominalAt <= lastAt) || !put(job, tell)) continue;
      record.run(nominalAt, job.id, schedule);
      inserted.push(storedJob(job));
    }
    return { inserted };
  };
}
