/** Milliseconds as a number, or a number with a unit: `250`, `"30s"`, `"1.5h"`, `"7d"`. Units: ms s m h d. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const UNIT_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

/** The longest duration that is accepted: 100 years of 365.25 days, in milliseconds. */
export const DURATION_MS_MAX = 36_525 * 86_400_000;

/**
 * Reads a duration.
 * @param value milliseconds as a number, or a string with a unit
 * @returns whole milliseconds, or undefined for anything else: no unit, negative, not finite, over 100 years
 */
export function parseDuration(value: unknown): number | undefined {
  const ms = typeof value === 'number' ? value : typeof value === 'string' ? parseText(value) : Number.NaN;
  if (!Number.isFinite(ms) || ms < 0 || ms > DURATION_MS_MAX) return undefined;
  return Math.round(ms);
}

function parseText(text: string): number {
  if (text.length > 32) return Number.NaN;
  const match = DURATION.exec(text);
  if (!match) return Number.NaN;
  const unitMs = UNIT_MS[match[2] ?? ''];
  return unitMs === undefined ? Number.NaN : Number(match[1]) * unitMs;
}

/**
 * Writes milliseconds for a person, with the largest unit that keeps it short: `250ms`, `1.5s`, `15m`, `2h`, `7d`.
 */
export function durationText(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const size = UNIT_MS[unit] ?? 1;
    if (ms >= size) return `${Number((ms / size).toFixed(1))}${unit}`;
  }
  return `${Math.round(ms)}ms`;
}
