import { settle as decide } from '../../../job/settlement.ts';
import { assert } from '../../../kernel/error.ts';
import { type AttemptRow, attemptOf, refusalOf } from '../../attempt-row.ts';
import { beatAnswer } from '../../beat-answer.ts';
import { AttemptEnd } from '../attempt-end.ts';
import { ATTEMPT_COLUMNS } from '../job-columns.ts';
import { allows, type StoreWorld, type Verb } from '../verb.ts';

/**
 * A worker's sign of life with what it runs. Beats come late in bursts, so one counts as not listing a job only at least
 * `beatMs` after the claim, and the second only at least `beatMs` after the first; a listing in between clears it.
 */
export function beat(world: StoreWorld): Verb<'beat'> {
  const mine = world.lists(`select ${ATTEMPT_COLUMNS} from jobs indexed by jobs_executing
    where runner = ? and ${allows('release')} and queue = ?`);
  const listed = world.lists(
    `select ${ATTEMPT_COLUMNS} from json_each(?) as wanted cross join jobs on jobs.id = wanted.value`,
  );
  const miss = world.rows('update jobs set missed_at = ? where seq = ?');
  const end = new AttemptEnd(world);

  return ({ now, queue, worker, node, running, beatMs }, tell) => {
    const runner = world.workers.seen(worker, node, now);
    const owned = new Map(mine.all(runner, queue).map((list) => keyed(attemptOf(list))));
    const unknown = running.filter(({ id }) => !owned.has(id));
    const others =
      unknown.length === 0
        ? new Map<string, AttemptRow>()
        : new Map(listed.all(JSON.stringify(unknown.map(({ id }) => id))).map((list) => keyed(attemptOf(list))));
    const told = new Set<string>();
    for (const ref of running) {
      const row = owned.get(ref.id);
      if (row === undefined || refusalOf(row, ref, worker) !== undefined) continue;
      told.add(ref.id);
      if (row.missedAt !== null) miss.run(null, row.seq);
    }
    const result = beatAnswer(running, { rows: new Map([...owned, ...others]), worker });
    for (const row of owned.values()) {
      if (told.has(row.id)) continue;
      const since = row.missedAt ?? row.attemptedAt ?? now;
      if (now - since < beatMs) continue;
      if (row.missedAt === null) {
        miss.run(now, row.seq);
        continue;
      }
      const settlement = decide(row, { outcome: 'release' }, { now, random: world.random });
      assert(settlement !== undefined, 'an executing job can be released');
      end.write(row, settlement, { now, tell, as: 'release' });
    }
    return result;
  };
}

const keyed = (row: AttemptRow): [string, AttemptRow] => [row.id, row];
