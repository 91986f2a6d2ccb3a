import { timeText } from '../../kernel/clock.ts';
import type { ScheduleView } from '../../messaging/contract/schedule-requests.ts';
import { declarationView } from '../../scheduler/declaration-view.ts';
import { nextTick } from '../../scheduler/due-ticks.ts';
import type { ScheduleRecord } from '../../store/schedule-record.ts';

const textOrNull = (ms: number | null | undefined): string | null => (ms == null ? null : timeText(ms));

/** A schedule as replies write it: the fields of `put`, and where it stands. */
export function scheduleView(record: ScheduleRecord, now: number): ScheduleView {
  const { name, source, declaration, endedAt, runs, skipped, missed, lastPassed } = record;
  return {
    name,
    ...declarationView(declaration),
    source,
    pausedBy: record.pausedBy,
    endedAt: textOrNull(endedAt),
    nextAt: textOrNull(nextTickAt(record, now)),
    ...newest(record),
    runs,
    skipped,
    missed,
    lastPassed: lastPassed === null ? null : { ...lastPassed, at: timeText(lastPassed.at) },
  };
}

/** A timetable that this Node cannot read any more (a zone that is gone) has no next tick; the scheduler logs why. */
function nextTickAt(record: ScheduleRecord, now: number): number | undefined {
  try {
    return nextTick(record, now)?.fireAt;
  } catch {
    return undefined;
  }
}

/** The newest job that it made, by a tick or by hand. */
function newest(record: ScheduleRecord): Pick<ScheduleView, 'lastAt' | 'lastJobId' | 'lastState'> {
  const { lastAt, lastJobId, lastState, ranAt, ranJobId, ranState } = record;
  if (ranAt === null || (lastAt !== null && lastAt > ranAt))
    return { lastAt: textOrNull(lastAt), lastJobId, lastState };
  return { lastAt: timeText(ranAt), lastJobId: ranJobId, lastState: ranState };
}
