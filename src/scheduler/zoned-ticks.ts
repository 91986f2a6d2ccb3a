import type { DstPolicy } from './schedule.ts';
import type { TimeZone, ZoneStretch } from './time-zone.ts';
import type { WallCalendar } from './wall-calendar.ts';

/** A wall calendar in a zone. `dst` null: real intervals, every instant whose wall time ticks. */
export interface ZonedCalendar {
  calendar: WallCalendar;
  zone: TimeZone;
  dst: DstPolicy | null;
}

/**
 * The first millisecond of the year 0. Nothing fires before it or after the year 9999: RFC 3339 has no text for such
 * times.
 */
export const INSTANT_MS_MIN = Date.parse('0000-01-01T00:00:00.000Z');
/** The last millisecond of the year 9999; see {@link INSTANT_MS_MIN}. */
export const INSTANT_MS_MAX = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
/** No two instants with the same wall time lie farther apart: offsets differ by 24 h at most, with as much to spare. */
const OFFSET_SPREAD_MS = 48 * 3_600_000;
/**
 * A search visits only stretches near ticks, so this many without one mean ticks that the policy takes away every time
 * (`30 2 * 3 0#2` with gap `skip` in New York): such a schedule never fires.
 */
const STRETCHES_MAX = 64;

/** What one stretch of constant offset makes of the wall calendar: the whole DST policy. */
interface Share {
  /** Wall times of this stretch that fire: from, and up to but without, `untilWall`. */
  fromWall: number;
  untilWall: number;
  /** Wall times that the change at the start skipped, if ticks among them fire once at the start. */
  gap: { fromWall: number; untilWall: number } | null;
}

function shareOf(stretch: ZoneStretch, dst: DstPolicy | null): Share {
  const { startAt, endAt, offsetMs, offsetBeforeMs, offsetAfterMs } = stretch;
  const fromWall = startAt + offsetMs;
  const untilWall = endAt + offsetMs;
  if (dst === null) return { fromWall, untilWall, gap: null };
  return {
    // A wall time that the stretch before had too: its first pass was there.
    fromWall: dst.repeat === 'first' ? Math.max(fromWall, startAt + offsetBeforeMs) : fromWall,
    // A wall time that the stretch after has again: its second pass is there.
    untilWall: dst.repeat === 'second' ? Math.min(untilWall, endAt + offsetAfterMs) : untilWall,
    gap:
      dst.gap === 'next' && offsetMs > offsetBeforeMs
        ? { fromWall: startAt + offsetBeforeMs, untilWall: fromWall }
        : null,
  };
}

/** The first instant after `afterMs`, which is excluded. */
export function nextZonedTick({ calendar, zone, dst }: ZonedCalendar, afterMs: number): number | undefined {
  let fromAt = Math.max(Math.floor(afterMs) + 1, INSTANT_MS_MIN);
  for (let visited = 0; visited < STRETCHES_MAX && fromAt <= INSTANT_MS_MAX; visited += 1) {
    const stretch = zone.stretchAt(fromAt);
    const { offsetMs, startAt, endAt } = stretch;
    const share = shareOf(stretch, dst);
    if (share.gap !== null && fromAt <= startAt) {
      const skipped = calendar.next(share.gap.fromWall);
      if (skipped !== undefined && skipped < share.gap.untilWall) return startAt;
    }
    const tick = calendar.next(Math.max(share.fromWall, fromAt + offsetMs));
    if (tick !== undefined && tick < share.untilWall) return tick - offsetMs;
    const beyond = calendar.next(endAt - OFFSET_SPREAD_MS);
    if (beyond === undefined) return undefined;
    // Leaps over stretches that have no tick near them.
    fromAt = Math.max(endAt, beyond - OFFSET_SPREAD_MS);
  }
  return undefined;
}

/** The last instant before `beforeMs`, which is excluded. */
export function previousZonedTick({ calendar, zone, dst }: ZonedCalendar, beforeMs: number): number | undefined {
  let lastAt = Math.min(Math.ceil(beforeMs) - 1, INSTANT_MS_MAX);
  for (let visited = 0; visited < STRETCHES_MAX && lastAt >= INSTANT_MS_MIN; visited += 1) {
    const stretch = zone.stretchAt(lastAt);
    const { offsetMs, startAt } = stretch;
    const share = shareOf(stretch, dst);
    const tick = calendar.previous(Math.min(share.untilWall - 1, lastAt + offsetMs));
    if (tick !== undefined && tick >= share.fromWall) return tick - offsetMs;
    if (share.gap !== null) {
      const skipped = calendar.previous(share.gap.untilWall - 1);
      if (skipped !== undefined && skipped >= share.gap.fromWall) return startAt;
    }
    const beyond = calendar.previous(startAt + OFFSET_SPREAD_MS);
    if (beyond === undefined) return undefined;
    lastAt = Math.min(startAt - 1, beyond + OFFSET_SPREAD_MS);
  }
  return undefined;
}
