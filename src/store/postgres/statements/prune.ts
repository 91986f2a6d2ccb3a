import { TERMINAL_STATES } from '../../../job/state.ts';
import { HAS_PLACE } from '../job-walk.ts';
import { type Asked, isOneOf, oneByOne, type Verb } from '../verb.ts';
import { pruneRejected } from './rejected-messages.ts';

/** Workers and nodes that gave no sign of life for so long are forgotten. */
const FORGET_AFTER_MS = 86_400_000;

const ENDED = isOneOf(TERMINAL_STATES, 'jobs.state');

/** The queues that have jobs in a state, by leaps through the index; and of each what is past its time, the oldest first. */
const REMOVE = `with recursive queues (queue) as (
    (select jobs.queue from @jobs as jobs where ${ENDED} order by jobs.queue limit 1)
    union all select (select jobs.queue from @jobs as jobs where ${ENDED} and jobs.queue > queues.queue
      order by jobs.queue limit 1) from queues where queues.queue is not null)
  delete from @jobs as gone where gone.seq = any (array(select old.seq from queues cross join lateral
    (select jobs.seq from @jobs as jobs where jobs.queue = queues.queue and jobs.state = $1 and ${ENDED}
      and jobs.finished_at < $2 order by jobs.finished_at limit $3) as old limit $3)) and ${HAS_PLACE.replace('jobs.', 'gone.')}
    and case when ${ENDED.replaceAll('jobs.', 'gone.')} then gone.state end = $1`;

/** A worker's name stays as long as rows may speak of it: they were all inserted before its last sign of life. What executes
 * has its worker's key. */
const FORGET_WORKERS = `delete from @workers as known
  where seen_at < least($1, coalesce((select inserted_at from @jobs as jobs where ${HAS_PLACE} order by seq limit 1), $1)) and not exists
    (select 1 from @jobs as jobs where jobs.runner = known.key and jobs.state = 'executing')`;

/**
 * Deletes terminal rows past their time, at most `limit`, and forgets old workers, nodes and rejected messages. A row that
 * ended at or after the oldest fact that is not known to be out stays: cheaper than asking for each row, and never too
 * early.
 */
export const prune: Verb<'prune'> = oneByOne(async (tx, { options: { now, keepMs, limit } }: Asked<'prune'>) => {
  const unannouncedAt = (await tx.outbox.oldestAt(tx)) ?? Number.MAX_SAFE_INTEGER;
  let pruned = 0;
  for (const state of TERMINAL_STATES) {
    if (pruned >= limit) break;
    pruned += await tx.run(REMOVE, [state, Math.min(now - keepMs[state] + 1, unannouncedAt), limit - pruned]);
  }
  await tx.signs.catchUp(tx, now - FORGET_AFTER_MS);
  await tx.run(FORGET_WORKERS, [now - FORGET_AFTER_MS]);
  tx.signs.forget(now - FORGET_AFTER_MS);
  await tx.run('delete from @nodes where seen_at < $1', [now - FORGET_AFTER_MS]);
  await pruneRejected(tx, now);
  return { pruned };
});
