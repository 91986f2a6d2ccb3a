import { text } from '../../cell.ts';
import { texts } from '../sql-list.ts';
import { type Asked, oneByOne, type Verb } from '../verb.ts';

/** The types of jobs that wait, read from the indexes of those that may be claimed or come due. */
export const waitingTypes: Verb<'waitingTypes'> = oneByOne(async (tx, { options }: Asked<'waitingTypes'>) => {
  const rows = await tx.lists(
    `select type, min(queue) from (
        select type, queue from (select type, queue from @jobs where aside is null and state = 'available'
          order by queue, priority, scheduled_at limit $1) as available
        union all
        select type, queue from @set_aside as known cross join lateral (select 1 from @jobs as jobs
          where jobs.queue = known.queue and jobs.type = known.type and aside is not null and state = 'available'
          limit 1) as aside
        union all
        select type, queue from (select type, queue from @jobs where state = 'scheduled' or state = 'retryable'
          order by scheduled_at limit $1) as later) as waiting
      group by type order by type`,
    [options.limit],
  );
  return rows.map(([type, queue]) => ({ type: text(type), queue: text(queue) }));
});

/** Which queues have an available job: one look for each, however many wait, as `limit` keeps it from becoming a join. */
export const claimable: Verb<'claimable'> = oneByOne(async (tx, { options }: Asked<'claimable'>) => {
  const rows = await tx.lists(
    `select queue from unnest($1::text[]) as asked (queue) cross join lateral (
      (select 1 from @jobs as jobs where jobs.queue = asked.queue and aside is null and jobs.state = 'available' limit 1)
      union all
      (select 1 from @jobs as jobs where jobs.queue = asked.queue and aside is not null and jobs.state = 'available'
        limit 1) limit 1) as found`,
    [texts(options.queues)],
  );
  return rows.map(([queue]) => text(queue));
});
