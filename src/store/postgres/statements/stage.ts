import { nextState } from '../../../job/life.ts';
import { assert } from '../../../kernel/error.ts';
import { integerOrNull, text } from '../../cell.ts';
import { words } from '../sql-list.ts';
import { type Asked, allows, oneByOne, type Verb } from '../verb.ts';

const DUE = allows('due');

/** Makes due jobs available, those that are due longest first. `nextAt` is in the past when the limit left some. */
export const stage: Verb<'stage'> = oneByOne(async (tx, { options: { now, limit } }: Asked<'stage'>) => {
  const due = await tx.lists(
    `select id, queue from @jobs where ${DUE} and scheduled_at <= $1 order by scheduled_at limit $2
      for update skip locked`,
    [now, limit],
  );
  const available = nextState('scheduled', 'due');
  assert(available !== undefined, 'a scheduled job becomes due');
  if (due.length > 0) {
    tx.starts.disturb();
    const ids = words(due.map(([id]) => text(id)));
    await tx.run(`update @jobs set state = '${available}' where id = any($1::uuid[])`, [ids]);
  }
  const [next] = await tx.lists(`select scheduled_at from @jobs where ${DUE} order by scheduled_at limit 1`);
  const queues = [...new Set(due.map(([, queue]) => text(queue)))];
  return { staged: due.length, queues, nextAt: integerOrNull(next?.[0] ?? null) };
});
