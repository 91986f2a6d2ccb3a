import { rescue as decide } from '../../../job/settlement.ts';
import { assert } from '../../../kernel/error.ts';
import { attemptOf } from '../../attempt-row.ts';
import { AttemptEnd } from '../attempt-end.ts';
import { ATTEMPT_ROWS } from '../job-columns.ts';
import { type Asked, allows, oneByOne, type Verb } from '../verb.ts';
import { WRITE_EVERY_MS } from '../worker-signs.ts';

/**
 * Takes executing jobs from workers without a sign of life since `deadBefore`. Of workers whose signs go to another
 * store the table may lag behind that store's memory, so they are given as much more.
 */
export const rescue: Verb<'rescue'> = oneByOne(async (tx, { options, tell }: Asked<'rescue'>) => {
  const { now, deadBefore, limit } = options;
  await tx.signs.catchUp(tx, deadBefore);
  const rows = await tx.lists(
    `${ATTEMPT_ROWS} where ${allows('rescue', 'jobs.state')}
        and ran.seen_at < case when ran.owner is null or ran.owner = $2 then $1::bigint else $1::bigint - ${WRITE_EVERY_MS} end
      order by jobs.seq + 0 limit $3 for update of jobs skip locked`,
    [deadBefore, tx.owner, limit],
  );
  const end = new AttemptEnd();
  const queues = new Set<string>();
  for (const row of rows.map(attemptOf)) {
    const settlement = decide(row, now);
    assert(settlement !== undefined, 'an executing job can be rescued');
    end.write(row, settlement, { now, tell, as: null });
    queues.add(row.queue);
  }
  await end.flush(tx);
  return { rescued: rows.length, queues: [...queues] };
});
