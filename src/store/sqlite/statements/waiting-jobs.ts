import { text } from '../../cell.ts';
import { limitOf, type StoreWorld, type Verb } from '../verb.ts';

/** The types of jobs that wait, read from the indexes of those that may be claimed or come due. */
export function waitingTypes(world: StoreWorld): Verb<'waitingTypes'> {
  const read = world.lists(`select type, min(queue) from (
      select type, queue from (select type, queue from jobs indexed by jobs_claim
        where state = 'available' and aside is null ${limitOf('?1')})
      union all
      select type, queue from set_aside where exists (select 1 from jobs indexed by jobs_aside
        where jobs.queue = set_aside.queue and jobs.type = set_aside.type and state = 'available' and aside is not null)
      union all
      select type, queue from (select type, queue from jobs indexed by jobs_due
        where state = 'scheduled' or state = 'retryable' ${limitOf('?1')}))
    group by type order by type`);
  return ({ limit }) => read.all(limit).map(([type, queue]) => ({ type: text(type), queue: text(queue) }));
}

/** Which queues have an available job. */
export function claimable(world: StoreWorld): Verb<'claimable'> {
  const read = world.lists(`select value from json_each(?)
    where exists (select 1 from jobs indexed by jobs_claim
        where queue = value and state = 'available' and aside is null)
      or exists (select 1 from jobs indexed by jobs_aside
        where queue = value and state = 'available' and aside is not null)`);
  return ({ queues }) => read.all(JSON.stringify(queues)).map(([queue]) => text(queue));
}
