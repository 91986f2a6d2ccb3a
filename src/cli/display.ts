import { durationText } from '../kernel/duration.ts';

/**
 * Text from outside as one line without control characters: a job's error must not move the cursor of whoever reads it.
 */
export function clean(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
}

/** Text of several lines, each without control characters. */
export function cleanLines(text: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => line.replaceAll('\t', '  '))
    .map((line) => (/^ */.exec(line)?.[0] ?? '') + clean(line))
    .join('\n');
}

/** Any value of a reply in a cell: nothing for null, JSON for what is no text. */
export function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  return clean(typeof value === 'string' ? value : JSON.stringify(value));
}

/** A time as seen from now: `3m ago`, `in 12m`, `now`; nothing where there is none. */
export function relativeTime(time: unknown, nowMs: number): string {
  const ms = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  if (Number.isNaN(ms)) return '';
  const distanceMs = ms - nowMs;
  if (Math.abs(distanceMs) < 1_000) return 'now';
  return distanceMs < 0 ? `${roundText(-distanceMs)} ago` : `in ${roundText(distanceMs)}`;
}

/** Rounded to what a person reads off it: whole seconds and minutes, tenths of hours and days. */
function roundText(ms: number): string {
  const unitMs = ms < 60_000 ? 1_000 : 60_000;
  return durationText(Math.round(ms / unitMs) * unitMs);
}

/** A wire time without what is always the same: `2026-01-31 10:00:00Z`. */
export function shortTime(time: unknown): string {
  return typeof time === 'string'
    ? clean(time)
        .replace('T', ' ')
        .replace(/\.\d+Z$/, 'Z')
    : '';
}

/** The end of an id, where ids that were made together differ. */
export function shortId(id: unknown): string {
  const text = cell(id);
  return text.length > 8 ? `…${text.slice(-8)}` : text;
}
