import { integer, object, optional, string, uuidV7 } from '../../kernel/check.ts';
import { isToken, TOKEN_RULE } from '../../kernel/identity.ts';
import type { DeclarationView } from '../../scheduler/declaration-view.ts';
import { readRequest } from './request.ts';

/** The verbs of `ctl.schedule.<verb>`. */
export const SCHEDULE_VERBS = ['list', 'get', 'put', 'delete', 'pause', 'resume', 'run', 'preview'] as const;
export type ScheduleVerb = (typeof SCHEDULE_VERBS)[number];

/** What a schedule in a reply says beyond the fields of `put`. Times are RFC 3339 text. */
export type ScheduleReport = {
  source: 'config' | 'runtime';
  pausedBy: 'config' | 'operator' | null;
  /** When one of its jobs ended it by its outcome. */
  endedAt: string | null;
  /** When it fires next, its jitter included; null: never (paused, ended, out of runs, `@reboot`). */
  nextAt: string | null;
  /** The newest job that it made, by a tick or by `run`: its nominal time, its id and its state (null: pruned). */
  lastAt: string | null;
  lastJobId: string | null;
  lastState: string | null;
  /** How many ticks made a job, were skipped, and were missed and not made up for. */
  runs: number;
  skipped: number;
  missed: number;
  /** The newest tick that made no job. */
  lastPassed: { at: string; what: 'skipped' | 'missed'; reason: string } | null;
};

/** A schedule in a reply: what may be put back, and where it stands. */
export type ScheduleView = { name: string } & Pick<DeclarationView, keyof DeclarationView> & ScheduleReport;

/** Schedules that one page of a list may have at most. */
const LIST_LIMIT_MAX = 10_000;

const name = string({ max: 64, accept: isToken, what: `the name of a schedule: ${TOKEN_RULE}` });

const listShape = object({ limit: optional(integer(1, LIST_LIMIT_MAX)), cursor: optional(name) });
/** `ctl.schedule.list`; a cursor is the last name of the page before. @throws RotaError `invalid_request` */
export const readScheduleList = (body: unknown): { limit?: number; cursor?: string } => readRequest(body, listShape);

const nameShape = object({ name });
/** `ctl.schedule.get|delete|pause|resume`. @throws RotaError `invalid_request` */
export const readScheduleName = (body: unknown): string => readRequest(body, nameShape).name;

const runShape = object({ name, id: optional(uuidV7) });
/** `ctl.schedule.run`. @throws RotaError `invalid_request` */
export const readScheduleRun = (body: unknown): { name: string; id?: string } => readRequest(body, runShape);
