import { rescue as decide } from '../../../job/settlement.ts';
import { assert } from '../../../kernel/error.ts';
import { attemptOf } from '../../attempt-row.ts';
import { AttemptEnd } from '../attempt-end.ts';
import { ATTEMPT_COLUMNS } from '../job-columns.ts';
import { allows, limitOf, type StoreWorld, type Verb } from '../verb.ts';

/** Takes executing jobs from workers without a sign of life since `deadBefore`. */
export function rescue(world: StoreWorld): Verb<'rescue'> {
  const orphans = world.lists(`select ${ATTEMPT_COLUMNS}
    from workers indexed by workers_seen
      cross join jobs indexed by jobs_executing on jobs.runner = workers.key and ${allows('rescue')}
    where workers.seen_at < ? ${limitOf('?')}`);
  const end = new AttemptEnd(world);
  return ({ now, deadBefore, limit }, tell) => {
    world.workers.write(deadBefore);
    const queues = new Set<string>();
    const rows = orphans.all(deadBefore, limit);
    for (const list of rows) {
      const row = attemptOf(list);
      const settlement = decide(row, now);
      assert(settlement !== undefined, 'an executing job can be rescued');
      end.write(row, settlement, { now, tell, as: null });
      queues.add(row.queue);
    }
    return { rescued: rows.length, queues: [...queues] };
  };
}
