import { integer } from '../../cell.ts';
import type { ScheduleChange, ScheduleChangeResult, ScheduleRecord } from '../../schedule-record.ts';
import { scheduleOf } from '../../schedule-row.ts';
import type { Transaction } from '../transaction.ts';
import { type Asked, oneByOne, type Verb } from '../verb.ts';
import { currentTerm, staleTerm } from './leadership.ts';
import { SCHEDULE_ROWS } from './schedules.ts';

/** Takes the next revision, under which a change is found. Until the group has committed nobody else takes one. */
export async function nextRevision(tx: Transaction): Promise<number> {
  const [row] = await tx.lists('update @schedule_clock set revision = revision + 1 where one = 1 returning revision');
  return integer(row?.[0]);
}

/** Locks the clock of revisions: whoever changes schedules goes in turn, and no change is seen before one with a lower one. */
async function lockClock(tx: Transaction): Promise<void> {
  await tx.run('select 1 from @schedule_clock where one = 1 for update');
}

async function lockedSchedule(tx: Transaction, name: string): Promise<ScheduleRecord | null> {
  const [row] = await tx.rows(`${SCHEDULE_ROWS} where schedules.name = $1 for update of schedules`, [name]);
  return row === undefined ? null : scheduleOf(row);
}

/**
 * Adds, changes and removes schedules, each only if its row is still the one that the change was decided on. History
 * (last job, runs) stays; a cursor never goes back, for ticks may have moved it meanwhile.
 */
export const changeSchedules: Verb<'changeSchedules'> = oneByOne(async (tx, { options }: Asked<'changeSchedules'>) => {
  const { term: claimed, synced, changes } = options;
  if (claimed !== undefined) {
    const refusal = staleTerm(claimed, await currentTerm(tx));
    if (refusal) return refusal;
  }
  await lockClock(tx);
  const results: ScheduleChangeResult[] = [];
  for (const one of changes) results.push(await change(tx, one));
  if (synced === true && claimed !== undefined) {
    await tx.run('update @schedule_clock set synced_term = $1 where one = 1', [claimed]);
  }
  return results;
});

async function change(
  tx: Transaction,
  { name, revision: decidedOn, state }: ScheduleChange,
): Promise<ScheduleChangeResult> {
  const stored = await lockedSchedule(tx, name);
  if ((stored?.revision ?? null) !== decidedOn) return { stale: true, schedule: stored };
  if (state === null) {
    await tx.run('delete from @schedules where name = $1', [name]);
    // A reader learns of a removal by the clock and the count.
    await nextRevision(tx);
    return { stale: false, schedule: null };
  }
  const { source, fingerprint, anchorAt, cursorAt, pausedBy, endedAt, declaration } = state;
  await tx.run(
    `insert into @schedules as known (name, revision, source, fingerprint, anchor_at, cursor_at, paused_by, ended_at,
        declaration) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
      on conflict (name) do update set revision = excluded.revision, source = excluded.source,
        fingerprint = excluded.fingerprint, anchor_at = excluded.anchor_at,
        cursor_at = greatest(known.cursor_at, excluded.cursor_at), paused_by = excluded.paused_by,
        ended_at = excluded.ended_at, declaration = excluded.declaration`,
    [
      ...[name, await nextRevision(tx), source, fingerprint, anchorAt, cursorAt, pausedBy, endedAt],
      JSON.stringify(declaration),
    ],
  );
  return { stale: false, schedule: await lockedSchedule(tx, name) };
}

/** Ends a schedule by the outcome of one of its jobs; one that is gone or has ended stays as it is. */
export async function endSchedule(tx: Transaction, name: string, now: number): Promise<void> {
  await lockClock(tx);
  const ended = await tx.run('update @schedules set ended_at = $1 where name = $2 and ended_at is null', [now, name]);
  if (ended > 0) await tx.run('update @schedules set revision = $1 where name = $2', [await nextRevision(tx), name]);
}
