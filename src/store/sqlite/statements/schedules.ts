import { assert } from '../../../kernel/error.ts';
import type { ScheduleRecord } from '../../schedule-record.ts';
import { integer, integerOrNull, json, type Row, text, textOrNull, wordOrNull } from '../cell.ts';
import { Refusal, type StoreWorld, type Verb } from '../verb.ts';
import { currentTerm } from './leadership.ts';

const READ = `select schedules.*, jobs.state as last_state
  from schedules left join jobs on jobs.id = schedules.last_job_id order by schedules.name`;

/** All schedules by name, each with the state of its last job. */
export function schedules(world: StoreWorld): Verb<'schedules'> {
  const read = world.rows(READ);
  return () => read.all().map(scheduleOf);
}

/**
 * Lays the config's schedules beside what is stored. A new or changed one begins at `now`, so nothing is made up for; a
 * changed one keeps its history, and a pause only holds until it changes. A name that a run-time schedule has stays
 * with that schedule: what a person made by hand is not overwritten by a deploy, and nothing is reported.
 */
export function syncSchedules(world: StoreWorld): Verb<'syncSchedules'> {
  const read = world.rows(READ);
  const term = currentTerm(world);
  const add =
    world.rows(`insert into schedules (name, source, fingerprint, anchor_at, cursor_at, paused_by, declaration)
    values (?, 'config', ?, ?, ?, ?, ?)`);
  const change = world.rows(`update schedules set fingerprint = ?, anchor_at = ?, cursor_at = max(cursor_at, ?),
      paused_by = ?, declaration = ?
    where name = ?`);
  const remove = world.rows('delete from schedules where name = ?');
  return ({ now, term: claimed, schedules: declared }) => {
    const refusal = staleTerm(claimed, term());
    if (refusal) return refusal;
    const stored = new Map(read.all().map((row) => [text(row.name), scheduleOf(row)]));
    const report = { added: [] as string[], changed: [] as string[], removed: [] as string[] };
    const named = new Set<string>();
    for (const { name, fingerprint, anchorAt, pausedBy, declaration } of declared) {
      named.add(name);
      const old = stored.get(name);
      if (old === undefined) {
        add.run(name, fingerprint, anchorAt, now, pausedBy, JSON.stringify(declaration));
        report.added.push(name);
      } else if (old.source === 'config' && old.fingerprint !== fingerprint) {
        change.run(fingerprint, anchorAt, now, pausedBy, JSON.stringify(declaration), name);
        report.changed.push(name);
      }
    }
    for (const { name, source } of stored.values()) {
      if (source !== 'config' || named.has(name)) continue;
      remove.run(name);
      report.removed.push(name);
    }
    return { schedules: read.all().map(scheduleOf), ...report };
  };
}

/** Refuses a leader that no longer leads. */
export function staleTerm(claimed: number, current: number | undefined): Refusal | undefined {
  if (claimed === current) return undefined;
  return new Refusal('conflict', `term ${claimed} does not lead; ${current ? `term ${current} does` : 'nobody does'}`);
}

function scheduleOf(row: Row): ScheduleRecord {
  const source = wordOrNull(row.source, ['config', 'runtime']);
  assert(source !== null, 'a schedule has a source');
  return {
    name: text(row.name),
    source,
    declaration: json<ScheduleRecord['declaration']>(row.declaration),
    fingerprint: text(row.fingerprint),
    anchorAt: integer(row.anchor_at),
    cursorAt: integer(row.cursor_at),
    lastAt: integerOrNull(row.last_at),
    lastJobId: textOrNull(row.last_job_id),
    lastState: textOrNull(row.last_state),
    runs: integer(row.runs),
    pausedBy: wordOrNull(row.paused_by, ['config', 'operator']),
  };
}
