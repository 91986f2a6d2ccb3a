import { isRecord } from '../kernel/check.ts';
import { durationText } from '../kernel/duration.ts';
import { cell, clean, relativeTime, shortId } from './display.ts';
import type { Paint } from './output.ts';
import { stateStyle } from './state-style.ts';

/** How an event is written. */
export interface EventLineOptions {
  paint: Paint;
  /** The line is cut at this many columns. */
  columns?: number | undefined;
}

/**
 * One event on one line: the time here, what happened, and what it happened to.
 * @param event a CloudEvent of Rota's with the subject it came on; anything else is written as JSON
 */
export function eventLine(event: unknown, { paint, columns }: EventLineOptions): string {
  if (!isRecord(event) || typeof event.type !== 'string' || !isRecord(event.data)) {
    const { natsSubject, ...body } = isRecord(event) ? event : { natsSubject: '', body: event };
    return cut(`${cell(natsSubject)}  ${clean(JSON.stringify(body))}`, columns);
  }
  const [, kind = '', what = ''] = clean(event.type).split('.');
  const text =
    kind === 'job'
      ? jobText(event.data, event.time)
      : otherText({ kind, subject: cell(event.subject), data: event.data });
  const atMs = typeof event.time === 'string' ? Date.parse(event.time) : Number.NaN;
  const line = cut(`${wallTime(atMs)}  ${what.padEnd(WHAT_WIDTH)}  ${text}`, columns);
  const style = stateStyle(what);
  const from = WALL_TIME_WIDTH + 2;
  const until = from + what.length;
  const painted = style === undefined ? line.slice(from, until) : paint(style, line.slice(from, until));
  return `${paint('dim', line.slice(0, WALL_TIME_WIDTH))}  ${painted}${line.slice(until)}`;
}

const WALL_TIME_WIDTH = 12;
/** The longest common word of job events, `progress`, `completed`, `retryable`, with a little room. */
const WHAT_WIDTH = 10;

/** `14:03:22.123`, in the zone of whoever looks. */
function wallTime(ms: number): string {
  if (Number.isNaN(ms)) return '?'.padEnd(WALL_TIME_WIDTH);
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  return `${clock}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** @param time of the event, which what comes next is told from */
function jobText(data: Readonly<Record<string, unknown>>, time: unknown): string {
  const { queue, type, id, attempt, maxAttempts, durationMs, waitMs, error, nextAt, progress, schedule } = data;
  const details = [
    typeof attempt === 'number' && attempt > 1 ? `attempt ${attempt}/${cell(maxAttempts)}` : '',
    isRecord(schedule) ? `by ${cell(schedule.name)}` : '',
    typeof waitMs === 'number' ? `waited ${durationText(waitMs)}` : '',
    typeof durationMs === 'number' ? `took ${durationText(durationMs)}` : '',
    progress === undefined ? '' : cell(progress),
    isRecord(error) ? `${cell(error.kind)}: ${cell(error.message)}` : '',
    typeof nextAt === 'string' ? `next ${relativeTime(nextAt, Date.parse(cell(time)))}` : '',
  ];
  return [cell(queue), cell(type), shortId(id), ...details].filter((part) => part !== '').join('  ');
}

function otherText({
  kind,
  subject,
  data,
}: {
  kind: string;
  subject: string;
  data: Readonly<Record<string, unknown>>;
}): string {
  const details = Object.entries(data)
    .filter(([, value]) => value !== null && cell(value) !== subject)
    .map(([name, value]) => `${clean(name)}=${cell(value)}`);
  return [kind, subject, ...details].join('  ');
}

function cut(line: string, columns: number | undefined): string {
  return columns === undefined || line.length <= columns ? line : `${line.slice(0, Math.max(1, columns - 1))}…`;
}
