import { isRecord } from '../kernel/check.ts';
import { cell, clean, cleanLines, relativeTime, shortTime } from './display.ts';
import type { Paint } from './output.ts';
import { stateStyle } from './state-style.ts';

const NAME_WIDTH = 12;

/** One job whole, a field on each line; fields without a value are left out. */
export function jobPage(job: Readonly<Record<string, unknown>>, { now, paint }: { now: number; paint: Paint }): string {
  const style = stateStyle(job.state);
  const state = cell(job.state);
  const time = (value: unknown): string => (value === null ? '' : `${shortTime(value)} (${relativeTime(value, now)})`);
  const fields: [string, string][] = [
    ['id', cell(job.id)],
    ['type', cell(job.type)],
    ['queue', cell(job.queue)],
    ['state', style === undefined ? state : paint(style, state)],
    ['attempt', `${cell(job.attempt)} of ${cell(job.maxAttempts)}`],
    ['priority', cell(job.priority)],
    ['inserted', time(job.insertedAt)],
    ['scheduled', time(job.scheduledAt)],
    ['attempted', time(job.attemptedAt)],
    ['finished', time(job.finishedAt)],
    ['by', isRecord(job.attemptedBy) ? cell(job.attemptedBy.node) : ''],
    ['schedule', isRecord(job.schedule) ? scheduleText(job.schedule) : ''],
    ['reference', isRecord(job.reference) ? `${cell(job.reference.type)}:${cell(job.reference.id)}` : ''],
    ['tags', Array.isArray(job.tags) ? job.tags.map(cell).join(', ') : ''],
    ['meta', isRecord(job.meta) && Object.keys(job.meta).length > 0 ? json(job.meta) : ''],
    ['args', json(job.args)],
    ['progress', json(job.progress)],
    ['result', json(job.result)],
  ];
  const errors = Array.isArray(job.errors) ? job.errors.filter(isRecord) : [];
  return [
    ...fields.filter(([, value]) => value !== '').map(([name, value]) => field(name, value, paint)),
    ...errors.map((error) => field('error', errorText(error), paint)),
  ].join('\n');
}

function field(name: string, value: string, paint: Paint): string {
  const [first = '', ...rest] = value.split('\n');
  const indent = ' '.repeat(NAME_WIDTH);
  return [paint('dim', name.padEnd(NAME_WIDTH)) + first, ...rest.map((line) => indent + line)].join('\n');
}

function json(value: unknown): string {
  return value === null || value === undefined ? '' : cleanLines(JSON.stringify(value, null, 2));
}

function scheduleText({ name, at, late }: Readonly<Record<string, unknown>>): string {
  return `${cell(name)}, due ${shortTime(at)}${late === true ? ', late' : ''}`;
}

function errorText({ at, attempt, kind, message }: Readonly<Record<string, unknown>>): string {
  const text = typeof message === 'string' ? cleanLines(message) : cell(message);
  return `attempt ${cell(attempt)}, ${clean(cell(kind))}, ${shortTime(at)}\n${text}`;
}
