import { timeText } from '../../kernel/clock.ts';
import { declarationView } from '../../scheduler/declaration-view.ts';
import { nextTick } from '../../scheduler/due-ticks.ts';
import type { ScheduleRecord } from '../../store/schedule-record.ts';

/** A schedule as `ctl.schedule.list` writes it: the fields of `put`, and where it stands. */
export function scheduleView(record: ScheduleRecord, now: number): Record<string, unknown> {
  const { name, source, declaration, pausedBy, lastAt, lastJobId, lastState } = record;
  const next = nextTick(record, now);
  return {
    name,
    ...declarationView(declaration),
    source,
    pausedBy: pausedBy ?? (declaration.enabled ? null : 'config'),
    nextAt: next === undefined ? null : timeText(next.fireAt),
    lastAt: lastAt === null ? null : timeText(lastAt),
    lastJobId,
    lastState,
  };
}
