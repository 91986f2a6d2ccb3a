import { assert } from '../kernel/error.ts';
import { integer, integerOrNull, json, type Row, text, textOrNull, wordOrNull } from './cell.ts';
import type { PassedTick, ScheduleRecord } from './schedule-record.ts';

/** Bytes of a schedule in JSON beside its declaration, at most: names, ids, times, and its text as a fingerprint. */
const FRAME_BYTES = 1_024;

/** Reads a row of a schedule: its columns by their names, and the states of its last jobs. */
export function scheduleOf(row: Row): ScheduleRecord {
  const source = wordOrNull(row.source, ['config', 'runtime']);
  assert(source !== null, 'a schedule has a source');
  return {
    name: text(row.name),
    revision: integer(row.revision),
    source,
    declaration: json<ScheduleRecord['declaration']>(row.declaration),
    fingerprint: text(row.fingerprint),
    anchorAt: integer(row.anchor_at),
    cursorAt: integer(row.cursor_at),
    pausedBy: wordOrNull(row.paused_by, ['config', 'operator']),
    endedAt: integerOrNull(row.ended_at),
    lastAt: integerOrNull(row.last_at),
    lastJobId: textOrNull(row.last_job_id),
    lastState: textOrNull(row.last_state),
    ranAt: integerOrNull(row.ran_at),
    ranJobId: textOrNull(row.ran_job_id),
    ranState: textOrNull(row.ran_state),
    runs: integer(row.runs),
    skipped: integer(row.skipped),
    missed: integer(row.missed),
    lastPassed: json<PassedTick | null>(row.passed),
  };
}

/** The first rows that fit into `bytesMax` of JSON together; one always does. */
export function withinBytes(rows: Iterable<Row>, bytesMax: number): { records: ScheduleRecord[]; more: boolean } {
  const records: ScheduleRecord[] = [];
  let bytesLeft = bytesMax;
  for (const row of rows) {
    // The declaration goes out twice, once as itself and once as the fingerprint.
    bytesLeft -= 2 * integer(row.bytes) + FRAME_BYTES;
    if (bytesLeft < 0 && records.length > 0) return { records, more: true };
    records.push(scheduleOf(row));
  }
  return { records, more: false };
}
