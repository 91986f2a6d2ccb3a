import { expire as decide } from '../../../job/settlement.ts';
import { assert } from '../../../kernel/error.ts';
import { attemptOf } from '../../attempt-row.ts';
import { integerOrNull } from '../../cell.ts';
import { AttemptEnd } from '../attempt-end.ts';
import { ATTEMPT_ROWS } from '../job-columns.ts';
import { type Asked, allows, oneByOne, type Verb } from '../verb.ts';

const WAITS = `jobs.deadline_at is not null and ${allows('expire', 'jobs.state')}`;

/** Cancels jobs whose deadline has passed before they were started, the oldest deadline first. */
export const expire: Verb<'expire'> = oneByOne(async (tx, { options: { now, limit }, tell }: Asked<'expire'>) => {
  const rows = await tx.lists(
    `${ATTEMPT_ROWS} where ${WAITS} and jobs.deadline_at <= $1 order by jobs.deadline_at limit $2
      for update of jobs skip locked`,
    [now, limit],
  );
  const end = new AttemptEnd();
  for (const row of rows.map(attemptOf)) {
    const settlement = decide(row, now);
    assert(settlement !== undefined, 'a job that waits can expire');
    end.write(row, settlement, { now, tell, as: null });
  }
  await end.flush(tx);
  const [next] = await tx.lists(`select jobs.deadline_at from @jobs as jobs where ${WAITS} order by 1 limit 1`);
  return { expired: rows.length, nextAt: integerOrNull(next?.[0] ?? null) };
});
