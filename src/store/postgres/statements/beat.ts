import { settle as decide } from '../../../job/settlement.ts';
import { assert } from '../../../kernel/error.ts';
import { type AttemptRow, attemptOf, refusalOf } from '../../attempt-row.ts';
import { beatAnswer } from '../../beat-answer.ts';
import { AttemptEnd } from '../attempt-end.ts';
import { ATTEMPT_ROWS, idList } from '../job-columns.ts';
import { numbers, words } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import { type Asked, allows, oneByOne, type Verb } from '../verb.ts';

/**
 * A worker's sign of life with what it runs. Beats come late in bursts, so one counts as not listing a job only at least
 * `beatMs` after the claim, and the second only at least `beatMs` after the first; a listing in between clears it.
 */
export const beat: Verb<'beat'> = oneByOne(async (tx, { options, tell }: Asked<'beat'>) => {
  const { now, queue, worker, running, beatMs } = options;
  const rows = await rowsFor(tx, options);
  const told = new Set(
    running.filter((ref) => refusalOf(rows.get(ref.id), ref, worker) === undefined).map(({ id }) => id),
  );
  const result = beatAnswer(running, { rows, worker });
  const owned = [...rows.values()].filter(
    (row) => row.worker === worker && row.queue === queue && row.state === 'executing',
  );
  // Listed or not, a row is only locked when it must be written; nearly always none must.
  const heard = owned.filter((row) => told.has(row.id) && row.missedAt !== null);
  const late = owned.filter((row) => !told.has(row.id) && now - (row.missedAt ?? row.attemptedAt ?? now) >= beatMs);
  const missed = late.filter((row) => row.missedAt === null);
  await note(tx, heard, null);
  await note(tx, missed, now);
  await release(
    tx,
    late.filter((row) => row.missedAt !== null),
    { now, tell, worker },
  );
  return result;
});

/** What the worker executes in the queue, and whatever else it lists. */
async function rowsFor(
  tx: Transaction,
  { queue, worker, running }: Asked<'beat'>['options'],
): Promise<Map<string, AttemptRow>> {
  const rows = await tx.lists(`${ATTEMPT_ROWS} where jobs.queue = $1 and jobs.runner = $2 and ${executing}`, [
    queue,
    tx.signs.keyOf(worker),
  ]);
  const found = new Map(rows.map(attemptOf).map((row) => [row.id, row]));
  const others = idList(running.map(({ id }) => id).filter((id) => !found.has(id)));
  if (others === '{}') return found;
  const more = await tx.lists(`${ATTEMPT_ROWS} where jobs.id = any($1::uuid[])`, [others]);
  for (const row of more.map(attemptOf)) found.set(row.id, row);
  return found;
}

const executing = allows('release', 'jobs.state');
/** Asked of the row alone: as a condition of its own it leads to the index of all that executes. */
const isExecuting = `case when ${executing} then true end`;

async function note(tx: Transaction, rows: readonly AttemptRow[], missedAt: number | null): Promise<void> {
  if (rows.length === 0) return;
  await tx.run(
    `update @jobs as jobs set missed_at = $2 from unnest($1::uuid[], $3::integer[]) as seen (id, run)
      where jobs.id = seen.id and case when ${executing} then jobs.run end = seen.run`,
    [words(rows.map(({ id }) => id)), missedAt, numbers(rows.map(({ run }) => run))],
  );
}

async function release(
  tx: Transaction,
  rows: readonly AttemptRow[],
  to: { now: number; tell: Asked<'beat'>['tell']; worker: string },
): Promise<void> {
  if (rows.length === 0) return;
  const runs = new Map(rows.map(({ id, run }) => [id, run]));
  const locked = await tx.lists(
    `${ATTEMPT_ROWS} where jobs.id = any($1::uuid[]) and ${isExecuting} order by jobs.seq + 0 for update of jobs`,
    [words(rows.map(({ id }) => id))],
  );
  const end = new AttemptEnd();
  for (const row of locked.map(attemptOf)) {
    if (row.worker !== to.worker || runs.get(row.id) !== row.run) continue;
    const settlement = decide(row, { outcome: 'release' }, { now: to.now, random: tx.random });
    assert(settlement !== undefined, 'an executing job can be released');
    end.write(row, settlement, { now: to.now, tell: to.tell, as: 'release' });
  }
  await end.flush(tx);
}
