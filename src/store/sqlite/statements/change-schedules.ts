import { integer } from '../../cell.ts';
import type { ScheduleChange, ScheduleChangeResult } from '../../schedule-record.ts';
import { scheduleOf } from '../../schedule-row.ts';
import { SCHEDULE_ROWS } from '../job-columns.ts';
import type { StoreWorld, Verb } from '../verb.ts';
import { currentTerm, staleTerm } from './leadership.ts';

/** Takes the next revision, under which a change is found. */
export function nextRevision(world: StoreWorld): () => number {
  const take = world.rows('update schedule_clock set revision = revision + 1 where one = 1 returning revision');
  return () => integer(take.get()?.revision);
}

/**
 * Adds, changes and removes schedules, each only if its row is still the one that the change was decided on. History
 * (last job, runs) stays; a cursor never goes back, for ticks may have moved it meanwhile.
 */
export function changeSchedules(world: StoreWorld): Verb<'changeSchedules'> {
  const term = currentTerm(world);
  const revision = nextRevision(world);
  const read = world.rows(`${SCHEDULE_ROWS} where schedules.name = ?`);
  const put = world.rows(`insert into schedules (name, revision, source, fingerprint, anchor_at, cursor_at, paused_by,
      ended_at, declaration) values (?, ?, ?, ?, ?, ?, ?, ?, ?)
    on conflict (name) do update set revision = excluded.revision, source = excluded.source,
      fingerprint = excluded.fingerprint, anchor_at = excluded.anchor_at,
      cursor_at = max(cursor_at, excluded.cursor_at), paused_by = excluded.paused_by, ended_at = excluded.ended_at,
      declaration = excluded.declaration`);
  const remove = world.rows('delete from schedules where name = ?');
  const markSynced = world.rows('update schedule_clock set synced_term = ? where one = 1');

  function change({ name, revision: decidedOn, state }: ScheduleChange): ScheduleChangeResult {
    const row = read.get(name);
    const stored = row === undefined ? null : scheduleOf(row);
    if ((stored?.revision ?? null) !== decidedOn) return { stale: true, schedule: stored };
    if (state === null) {
      remove.run(name);
      // A reader learns of a removal by the clock and the count.
      revision();
      return { stale: false, schedule: null };
    }
    const { source, fingerprint, anchorAt, cursorAt, pausedBy, endedAt, declaration } = state;
    const texts = [pausedBy, endedAt, JSON.stringify(declaration)] as const;
    put.run(name, revision(), source, fingerprint, anchorAt, cursorAt, ...texts);
    const changed = read.get(name);
    return { stale: false, schedule: changed === undefined ? null : scheduleOf(changed) };
  }

  return ({ term: claimed, synced, changes }) => {
    if (claimed !== undefined) {
      const refusal = staleTerm(claimed, term());
      if (refusal) return refusal;
    }
    const results = changes.map(change);
    if (synced === true && claimed !== undefined) markSynced.run(claimed);
    return results;
  };
}

/** Ends a schedule by the outcome of one of its jobs; one that is gone or has ended stays as it is. */
export function endSchedule(world: StoreWorld): (name: string, now: number) => void {
  const revision = nextRevision(world);
  const live = world.rows('select 1 from schedules where name = ? and ended_at is null');
  const end = world.rows('update schedules set ended_at = ?, revision = ? where name = ?');
  return (name, now) => {
    if (live.get(name) !== undefined) end.run(now, revision(), name);
  };
}
