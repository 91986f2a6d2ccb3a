import { fingerprint } from './declaration-view.ts';
import { cursorAfterChange, cursorAfterResume, sameTimes } from './due-ticks.ts';
import { anchorOf } from './occurrences.ts';
import type { ScheduleDeclaration } from './schedule.ts';

/** What a change of a schedule decides about. Times are milliseconds since the epoch. */
export interface ScheduleState {
  source: 'config' | 'runtime';
  /** Spec, zone, policies and the job it makes: everything that was declared, as checked. */
  declaration: ScheduleDeclaration;
  /** Text that differs when what the config says does; a run-time schedule's own text. See `fingerprint`. */
  fingerprint: string;
  /** Where `every` counts from. */
  anchorAt: number;
  /** The newest nominal time that was dealt with: ticks up to it are never looked at again. */
  cursorAt: number;
  /** Who paused it; never null while the declaration says `enabled: false`. */
  pausedBy: 'config' | 'operator' | null;
  /** When one of its jobs ended it by its outcome; null: it goes on. */
  endedAt: number | null;
}

/** A schedule that is there, with how many of its ticks made a job. */
export interface StandingSchedule extends ScheduleState {
  runs: number;
}

const isPaused = ({ pausedBy, endedAt }: ScheduleState): boolean => pausedBy !== null || endedAt !== null;
const isResting = (state: StandingSchedule): boolean =>
  isPaused(state) || state.runs >= (state.declaration.maxRuns ?? Number.POSITIVE_INFINITY);

/** A schedule that was not there before: it counts from now on and makes up for nothing. */
function fresh(declaration: ScheduleDeclaration, source: ScheduleState['source'], now: number): ScheduleState {
  return {
    source,
    declaration,
    fingerprint: fingerprint(declaration),
    anchorAt: anchorOf(declaration, now),
    cursorAt: cursorAfterChange(undefined, declaration, now),
    pausedBy: declaration.enabled ? null : source === 'config' ? 'config' : 'operator',
    endedAt: null,
  };
}

/** The same schedule under another declaration: a new timetable counts from now, any other change keeps its place. */
function redeclared(before: StandingSchedule, declaration: ScheduleDeclaration, now: number): StandingSchedule {
  return {
    ...before,
    declaration,
    anchorAt: sameTimes(before.declaration, declaration) ? before.anchorAt : anchorOf(declaration, now),
    cursorAt: cursorAfterChange(before, declaration, now),
  };
}

/** What rested (paused, ended, out of runs) and now goes on backfills nothing. */
function awake(before: StandingSchedule, after: StandingSchedule, now: number): ScheduleState {
  if (!isResting(before) || isResting(after)) return after;
  return { ...after, cursorAt: cursorAfterResume(after.cursorAt, now) };
}

/**
 * A person or a program declares a schedule at run time. A config entry stays one and remembers its own text, so that
 * the change holds until that text changes. A pause by hand outlives it; an end by a job's outcome only what changes
 * nothing.
 * @returns `before` itself where nothing changes
 */
export function afterPut(
  before: StandingSchedule | undefined,
  declaration: ScheduleDeclaration,
  now: number,
): ScheduleState {
  if (before === undefined) return fresh(declaration, 'runtime', now);
  const text = fingerprint(declaration);
  if (text === fingerprint(before.declaration)) return before;
  const changed = redeclared(before, declaration, now);
  const enabledAgain = declaration.enabled && !before.declaration.enabled;
  const pausedBy = declaration.enabled ? (enabledAgain ? null : before.pausedBy) : (before.pausedBy ?? 'operator');
  const kept = before.source === 'config' ? before.fingerprint : text;
  return awake(before, { ...changed, fingerprint: kept, pausedBy, endedAt: null }, now);
}

/**
 * A config declares a schedule at a start. Its text is compared with what the config said before: where it is the same
 * everything stays, also what a person changed or paused; where it differs it holds again. A run-time schedule of the
 * same name stays as it is: what was made by hand is not overwritten by a deploy.
 * @returns `before` itself where nothing changes
 */
export function afterSync(
  before: StandingSchedule | undefined,
  declaration: ScheduleDeclaration,
  now: number,
): ScheduleState {
  if (before === undefined) return fresh(declaration, 'config', now);
  const text = fingerprint(declaration);
  if (before.source === 'runtime' || before.fingerprint === text) return before;
  const changed = redeclared(before, declaration, now);
  const pausedBy = declaration.enabled ? null : 'config';
  return awake(before, { ...changed, fingerprint: text, pausedBy, endedAt: null }, now);
}

/** A person pauses a schedule. @returns `before` itself where a person has already */
export function afterPause(before: ScheduleState): ScheduleState {
  return before.pausedBy === 'operator' ? before : { ...before, pausedBy: 'operator' };
}

/**
 * A person lets a schedule go on, whoever paused it and also when a job had ended it: from now on, without what it
 * missed meanwhile.
 * @returns `before` itself where it is going on
 */
export function afterResume(before: StandingSchedule, now: number): ScheduleState {
  if (!isPaused(before)) return before;
  const declaration = before.declaration.enabled ? before.declaration : { ...before.declaration, enabled: true };
  return awake(before, { ...before, declaration, pausedBy: null, endedAt: null }, now);
}
