import { isTerminal, type JobState } from '../job/state.ts';
import { jitterOf } from './jitter.ts';
import { firesAtReboot, nextOccurrence, previousOccurrence, type Timetable, timetableOf } from './occurrences.ts';
import type { MisfirePolicy, ScheduleDeclaration } from './schedule.ts';

/** What is known of a schedule when its ticks are decided: the parts of its stored record. */
export interface TickingSchedule {
  name: string;
  declaration: ScheduleDeclaration;
  /** Where `every` counts from. */
  anchorAt: number;
  /** The newest nominal time that was dealt with. */
  cursorAt: number;
  /** How many ticks made a job. */
  runs: number;
  /** Who paused it; null: nobody. */
  pausedBy: string | null;
  /** When one of its jobs ended it by its outcome; null: it goes on. */
  endedAt: number | null;
  /** The state of the last job that a tick made; null: there is none. */
  lastState: string | null;
}

/** What becomes of the tick at one nominal time. */
export type TickDecision = { nominalAt: number } & (
  | {
      /** It makes a job. `late`: it was missed and is made up for. `cancelRunning`: cancel the last job first. */
      verdict: 'fire';
      late: boolean;
      cancelRunning: boolean;
    }
  | { verdict: 'skipped'; reason: 'overlap' | 'maxRuns' }
  /** Missed while nobody ran and not made up for; the reason is the misfire policy that said so. */
  | { verdict: 'missed'; reason: MisfirePolicy['policy'] }
);

/** What {@link dueTicks} answers. */
export interface DueTicks {
  /** Rising by nominal time. Of the missed ones only the newest {@link MISSED_LISTED_MAX} are listed. */
  decisions: TickDecision[];
  /** All ticks that were missed and not made up for. `more`: there were more than could be counted. */
  missed: { count: number; more: boolean };
  /** Where the cursor stands afterwards; the same as before when nothing was due. */
  cursorAt: number;
  /** When to look again, in wall time; undefined: never (paused, ended, out of runs, `@reboot`). */
  nextAt: number | undefined;
}

/** Decisions of one call, but for missed ones; with more due `nextAt` is at once. */
export const DECISIONS_MAX = 1_000;
/** Missed ticks of one call that are listed one by one. */
export const MISSED_LISTED_MAX = 100;
/** Missed ticks of a cron expression are counted up to here. */
const MISSED_COUNTED_MAX = 1_000;

const isPaused = ({ pausedBy, endedAt, declaration }: TickingSchedule): boolean =>
  pausedBy !== null || endedAt !== null || !declaration.enabled;
const isSpent = ({ runs, declaration: { maxRuns } }: TickingSchedule): boolean => maxRuns !== null && runs >= maxRuns;

/**
 * Decides every tick that has come due. A tick fires at its nominal time plus its jitter; seen more than `grace` after
 * the end of its jitter it was missed and the misfire policy decides. Work is bounded however long nobody ran. When the
 * clock steps back nothing is due until it has passed the cursor again.
 * @param now wall time
 */
export function dueTicks(schedule: TickingSchedule, now: number): DueTicks {
  const idle = { decisions: [], missed: { count: 0, more: false }, cursorAt: schedule.cursorAt };
  if (isPaused(schedule) || isSpent(schedule)) return { ...idle, nextAt: undefined };
  const timetable = timetableOf(schedule);
  const { misfire, jitterMs } = schedule.declaration;
  const judge = judgeOf(schedule);
  // Ticks before this are missed; from here on they are on time.
  const punctualFrom = now - misfire.graceMs - jitterMs;
  const missed = missedTicks(timetable, { cursorAt: schedule.cursorAt, punctualFrom, misfire });
  const decisions: TickDecision[] = missed.ticks.map(({ nominalAt, made }) =>
    made ? judge(nominalAt, true) : { nominalAt, verdict: 'missed', reason: misfire.policy },
  );
  let cursorAt = missed.ticks.at(-1)?.nominalAt ?? schedule.cursorAt;
  let nextAt: number | undefined;
  for (let taken = 0; ; taken += 1) {
    const nominalAt = nextOccurrence(timetable, Math.max(cursorAt, punctualFrom - 1));
    nextAt = nominalAt === undefined ? undefined : nominalAt + jitterOf(schedule.name, nominalAt, jitterMs);
    if (nominalAt === undefined || nextAt === undefined || nextAt > now) break;
    if (taken >= DECISIONS_MAX) {
      nextAt = now;
      break;
    }
    decisions.push(judge(nominalAt, false));
    cursorAt = nominalAt;
  }
  const fired = decisions.filter(({ verdict }) => verdict === 'fire').length;
  const spent = isSpent({ ...schedule, runs: schedule.runs + fired });
  return { decisions, missed: missed.dropped, cursorAt, nextAt: spent ? undefined : nextAt };
}

/**
 * The tick that a schedule with `@reboot` has at the start of a program.
 * @param startedAt when the program started: the nominal time
 * @returns undefined when the schedule is none of that kind, paused, out of runs or outside startAt and endAt
 */
export function rebootTick(schedule: TickingSchedule, startedAt: number): TickDecision | undefined {
  const { startAt, endAt } = schedule.declaration;
  if (!firesAtReboot(schedule.declaration) || isPaused(schedule) || isSpent(schedule)) return undefined;
  if ((startAt !== null && startedAt < startAt) || (endAt !== null && startedAt > endAt)) return undefined;
  return judgeOf(schedule)(startedAt, false);
}

/**
 * The next tick that a schedule will have, for lists.
 * @returns undefined when it will have none: paused, ended, out of runs, `@reboot`
 */
export function nextTick(schedule: TickingSchedule, now: number): { nominalAt: number; fireAt: number } | undefined {
  if (isPaused(schedule) || isSpent(schedule)) return undefined;
  const { jitterMs } = schedule.declaration;
  const timetable = timetableOf(schedule);
  // One that is due but waits for its jitter is still to come; beyond the bound a later one stands for it.
  let nominalAt = nextOccurrence(timetable, Math.max(schedule.cursorAt, now - jitterMs - 1));
  for (let passed = 0; nominalAt !== undefined; passed += 1) {
    const fireAt = nominalAt + jitterOf(schedule.name, nominalAt, jitterMs);
    if (fireAt >= now) return { nominalAt, fireAt };
    nominalAt = nextOccurrence(timetable, passed < DECISIONS_MAX ? nominalAt : now);
  }
  return undefined;
}

/** Judges ticks in their order by overlap and maxRuns; each that fires counts for the next. */
function judgeOf(schedule: TickingSchedule): (nominalAt: number, late: boolean) => TickDecision {
  const { overlap } = schedule.declaration;
  let running = schedule.lastState !== null && !isTerminal(schedule.lastState as JobState);
  let runs = schedule.runs;
  return (nominalAt, late) => {
    if (isSpent({ ...schedule, runs })) return { nominalAt, verdict: 'skipped', reason: 'maxRuns' };
    if (running && overlap === 'skip') return { nominalAt, verdict: 'skipped', reason: 'overlap' };
    const cancelRunning = running && overlap === 'cancel_running';
    running = true;
    runs += 1;
    return { nominalAt, verdict: 'fire', late, cancelRunning };
  };
}

interface MissedTicks {
  /** Rising; `made`: the policy makes up for it. */
  ticks: { nominalAt: number; made: boolean }[];
  dropped: { count: number; more: boolean };
}

/** The ticks between the cursor and `punctualFrom`, from the newest back, and what the misfire policy says of each. */
function missedTicks(
  timetable: Timetable,
  { cursorAt, punctualFrom, misfire }: { cursorAt: number; punctualFrom: number; misfire: MisfirePolicy },
): MissedTicks {
  const makesUp = { latest: 1, skip: 0, all: Math.min(misfire.max, DECISIONS_MAX) }[misfire.policy];
  const ticks: MissedTicks['ticks'] = [];
  let count = 0;
  let tick = previousOccurrence(timetable, punctualFrom);
  while (tick !== undefined && tick > cursorAt && count < MISSED_COUNTED_MAX) {
    if (ticks.length < makesUp + MISSED_LISTED_MAX) ticks.push({ nominalAt: tick, made: ticks.length < makesUp });
    else if ('every' in timetable.spec) break;
    if (ticks.length > makesUp) count += 1;
    tick = previousOccurrence(timetable, tick);
  }
  const oldest = tick !== undefined && tick > cursorAt ? tick : undefined;
  ticks.reverse();
  if (oldest === undefined) return { ticks, dropped: { count, more: false } };
  if (!('every' in timetable.spec)) return { ticks, dropped: { count, more: true } };
  const after = Math.max(cursorAt, timetable.anchorAt - 1, (timetable.startAt ?? cursorAt) - 1);
  const uncounted = Math.ceil((oldest - after) / timetable.spec.every);
  return { ticks, dropped: { count: count + uncounted, more: false } };
}

/**
 * Where the cursor of a declared schedule stands after a change (a new config entry, another `put`): a new timetable
 * counts from now on, so that ticks which it would have had before are never made up for; any other change keeps it.
 */
export function cursorAfterChange(
  before: { declaration: ScheduleDeclaration; cursorAt: number } | undefined,
  after: ScheduleDeclaration,
  now: number,
): number {
  if (before === undefined || !before.declaration.enabled) return now;
  return sameTimes(before.declaration, after) ? before.cursorAt : now;
}

/** Where the cursor stands after a resume: never behind now, so that nothing is backfilled, and never back. */
export function cursorAfterResume(cursorAt: number, now: number): number {
  return Math.max(cursorAt, now);
}

/** Whether two declarations tick at the same times. */
export function sameTimes(a: ScheduleDeclaration, b: ScheduleDeclaration): boolean {
  const times = ({ spec, timezone, dst, dayMatch, startAt, endAt }: ScheduleDeclaration): string =>
    JSON.stringify([Object.entries(spec), timezone, dst.gap, dst.repeat, dayMatch, startAt, endAt]);
  return times(a) === times(b);
}
