import { expire as decide } from '../../../job/settlement.ts';
import { assert } from '../../../kernel/error.ts';
import { attemptOf } from '../../attempt-row.ts';
import { integer } from '../../cell.ts';
import { AttemptEnd } from '../attempt-end.ts';
import { ATTEMPT_COLUMNS } from '../job-columns.ts';
import { allows, limitOf, type StoreWorld, type Verb } from '../verb.ts';

/** Cancels jobs whose deadline has passed before they were started, the oldest deadline first. */
export function expire(world: StoreWorld): Verb<'expire'> {
  const from = `from jobs indexed by jobs_deadline where deadline_at is not null and ${allows('expire')}`;
  const late = world.lists(
    `select ${ATTEMPT_COLUMNS} ${from} and deadline_at <= ? order by deadline_at ${limitOf('?')}`,
  );
  const next = world.rows(`select deadline_at ${from} order by deadline_at limit 1`);
  const end = new AttemptEnd(world);
  return ({ now, limit }, tell) => {
    const rows = late.all(now, limit);
    for (const list of rows) {
      const row = attemptOf(list);
      const settlement = decide(row, now);
      assert(settlement !== undefined, 'a job that waits can expire');
      end.write(row, settlement, { now, tell, as: null });
    }
    const later = next.get();
    return { expired: rows.length, nextAt: later === undefined ? null : integer(later.deadline_at) };
  };
}
