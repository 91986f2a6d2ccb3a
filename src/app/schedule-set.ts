import { createHash } from 'node:crypto';
import { fingerprint } from '../scheduler/declaration-view.ts';
import type { DeclaredSchedule } from '../scheduler/schedule.ts';

/** A short text that differs where configs say other schedules, so that nodes with the same ones know each other. */
export function scheduleSet(schedules: readonly DeclaredSchedule[]): string {
  const hash = createHash('sha256');
  const lines = schedules.map(({ name, declaration }) => `${name} ${fingerprint(declaration)}\n`);
  for (const line of lines.toSorted()) hash.update(line);
  return hash.digest('hex').slice(0, 16);
}
