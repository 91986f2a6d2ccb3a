import { TERMINAL_STATES } from '../../../job/state.ts';
import { integer, text } from '../../cell.ts';
import { isOneOf, limitOf, type StoreWorld, type Verb } from '../verb.ts';
import { pruneRejected } from './rejected-messages.ts';

/** Workers and nodes that gave no sign of life for so long are forgotten. */
const FORGET_AFTER_MS = 86_400_000;

/**
 * Deletes terminal rows past their time, at most `limit`, and forgets old workers, nodes and rejected messages. A row that ended at or
 * after the oldest fact that is not known to be out stays: cheaper than asking for each row, and never too early.
 */
export function prune(world: StoreWorld): Verb<'prune'> {
  const old = TERMINAL_STATES.map((state) => ({
    state,
    before: world.lists(`select seq, queue from jobs indexed by jobs_finished
      where ${isOneOf([state])} and finished_at < ? order by finished_at ${limitOf('?')}`),
  }));
  const remove = world.rows('delete from jobs where seq in (select value from json_each(?))');
  // A worker's name stays as long as rows may speak of it: they were all inserted before its last sign of life.
  const forgetWorkers = world.rows(`delete from workers
    where seen_at < min(?1, coalesce((select inserted_at from jobs order by seq limit 1), ?1)) and not exists
      (select 1 from jobs indexed by jobs_executing where jobs.runner = workers.key and jobs.state = 'executing')`);
  const forgetNodes = world.rows('delete from nodes where seen_at < ?');
  const forgetRejected = pruneRejected(world);
  return ({ now, keepMs, limit }) => {
    const unannouncedAt = world.outbox.oldestAt() ?? Number.MAX_SAFE_INTEGER;
    let pruned = 0;
    for (const { state, before } of old) {
      const rows = before.all(Math.min(now - keepMs[state] + 1, unannouncedAt), limit - pruned);
      if (rows.length === 0) continue;
      world.places.removed();
      remove.run(JSON.stringify(rows.map(([seq]) => integer(seq))));
      for (const [, queue] of rows) world.counts.add(text(queue), state, -1);
      pruned += rows.length;
    }
    world.workers.write(now - FORGET_AFTER_MS);
    forgetWorkers.run(now - FORGET_AFTER_MS);
    world.workers.forget(now - FORGET_AFTER_MS);
    forgetNodes.run(now - FORGET_AFTER_MS);
    forgetRejected(now);
    return { pruned };
  };
}
