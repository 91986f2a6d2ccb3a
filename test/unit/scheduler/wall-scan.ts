import type { DstPolicy } from '../../../src/scheduler/schedule.ts';

/** Milliseconds of a wall time, as if it were UTC, read from Intl's calendar fields: no code shared with the scheduler. */
export function wallReader(zone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  return (ms) => {
    const match = /^(\d\d)\/(\d\d)\/(\d{4}), (\d\d):(\d\d):(\d\d)$/.exec(format.format(ms));
    if (match === null) throw new Error(`cannot read ${format.format(ms)}`);
    const [, month, day, year, hour, minute, second] = match.map(Number);
    return Date.UTC(year ?? 0, (month ?? 0) - 1, day, hour, minute, second);
  };
}

const MINUTE_MS = 60_000;

/** Every change of a zone's offset between two times, to the minute, looked for in steps of 12 hours. */
export function changesOf(zone: string, fromMs: number, untilMs: number): { at: number; shiftMs: number }[] {
  const wall = wallReader(zone);
  const offset = (ms: number): number => wall(ms) - ms;
  const found: { at: number; shiftMs: number }[] = [];
  const step = 720 * MINUTE_MS;
  for (let ms = fromMs; ms < untilMs; ms += step) {
    const before = offset(ms);
    const after = offset(ms + step);
    if (before === after) continue;
    let [low, high] = [ms, ms + step];
    while (high - low > MINUTE_MS) {
      const middle = low + Math.floor((high - low) / 2 / MINUTE_MS) * MINUTE_MS;
      if (offset(middle) === before) low = middle;
      else high = middle;
    }
    found.push({ at: high, shiftMs: after - before });
  }
  return found;
}

/** Minutes of a stretch of time with their wall times. */
export interface Scan {
  fromMs: number;
  walls: number[];
}

/** Reads every minute around a change, wide enough that what repeats or is skipped is inside. */
export function scanAround(zone: string, { at, shiftMs }: { at: number; shiftMs: number }, marginMs: number): Scan {
  const wall = wallReader(zone);
  const reach = Math.ceil((Math.abs(shiftMs) + marginMs) / MINUTE_MS) * MINUTE_MS;
  const walls: number[] = [];
  for (let ms = at - reach; ms <= at + reach; ms += MINUTE_MS) walls.push(wall(ms));
  return { fromMs: at - reach, walls };
}

/**
 * The instants at which a schedule must fire in a scan, told minute by minute from the words of the rules.
 * @param ticks whether a wall time is one that the expression names
 * @param dst null: the hour field has a wildcard
 */
export function expectedTicks(scan: Scan, ticks: (wallMs: number) => boolean, dst: DstPolicy | null): number[] {
  const expected = new Set<number>();
  const passes = new Map<number, number[]>();
  scan.walls.forEach((wall, index) => {
    const instant = scan.fromMs + index * MINUTE_MS;
    if (ticks(wall)) passes.set(wall, [...(passes.get(wall) ?? []), instant]);
    const before = scan.walls[index - 1] ?? wall - MINUTE_MS;
    if (dst?.gap !== 'next') return;
    for (let skipped = before + MINUTE_MS; skipped < wall; skipped += MINUTE_MS) {
      if (ticks(skipped)) expected.add(instant);
    }
  });
  for (const instants of passes.values()) {
    const chosen =
      dst === null || dst.repeat === 'both'
        ? instants
        : [dst.repeat === 'first' ? instants[0] : (instants[1] ?? instants[0])];
    for (const instant of chosen) if (instant !== undefined) expected.add(instant);
  }
  return [...expected].sort((a, b) => a - b);
}
