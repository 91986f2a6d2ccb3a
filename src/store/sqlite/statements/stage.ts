import { nextState } from '../../../job/life.ts';
import { assert } from '../../../kernel/error.ts';
import { integer, text } from '../../cell.ts';
import { stateOf } from '../../job-row.ts';
import { allows, limitOf, type StoreWorld, type Verb } from '../verb.ts';

/** Makes due jobs available, those that are due longest first. `nextAt` is in the past when the limit left some. */
export function stage(world: StoreWorld): Verb<'stage'> {
  const due = world.lists(`select seq, queue, state from jobs indexed by jobs_due
    where ${allows('due')} and scheduled_at <= ? order by scheduled_at ${limitOf('?')}`);
  const move = world.rows('update jobs set state = ? where seq in (select value from json_each(?))');
  const next = world.rows(
    `select scheduled_at from jobs indexed by jobs_due where ${allows('due')} order by scheduled_at limit 1`,
  );
  return ({ now, limit }) => {
    const rows = due.all(now, limit);
    const queues = new Set<string>();
    const available = nextState('scheduled', 'due');
    assert(available !== undefined, 'a scheduled job becomes due');
    for (const [seq, queueCell, stateCell] of rows) {
      const queue = text(queueCell);
      queues.add(queue);
      world.counts.move(integer(seq), { queue, from: stateOf(stateCell), to: available });
    }
    if (rows.length > 0) move.run(available, JSON.stringify(rows.map(([seq]) => integer(seq))));
    const later = next.get();
    const nextAt = later === undefined ? null : integer(later.scheduled_at);
    return { staged: rows.length, queues: [...queues], nextAt };
  };
}
