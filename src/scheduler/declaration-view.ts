import { deadlineView } from '../job/job-request.ts';
import { backoffWire } from '../job/retry-policy.ts';
import { uniqueView } from '../job/unique.ts';
import { timeText } from '../kernel/clock.ts';
import { canonicalJson, type Json } from '../kernel/json.ts';
import type { ScheduleDeclaration, ScheduleSpec } from './schedule.ts';

/** A declaration in the wire form of `put`, with every default said; checked again it is the same declaration. */
export interface DeclarationView {
  spec: { cron: string } | { every: number } | { at: string };
  timezone: string;
  job: { type: string; queue: string; [field: string]: Json };
  overlap: ScheduleDeclaration['overlap'];
  misfire: { policy: ScheduleDeclaration['misfire']['policy']; max: number; grace: number };
  dst: { gap: ScheduleDeclaration['dst']['gap']; repeat: ScheduleDeclaration['dst']['repeat'] };
  dayMatch: ScheduleDeclaration['dayMatch'];
  jitter: number;
  startAt: string | null;
  endAt: string | null;
  maxRuns: number | null;
  enabled: boolean;
}

/** The wire form of a declaration: durations in milliseconds, times as text. */
export function declarationView(declaration: ScheduleDeclaration): DeclarationView {
  const { spec, timezone, job, overlap, misfire, dst, dayMatch, jitterMs } = declaration;
  const { startAt, endAt, maxRuns, enabled } = declaration;
  return {
    spec: specView(spec),
    timezone,
    job: jobView(job),
    overlap,
    misfire: { policy: misfire.policy, max: misfire.max, grace: misfire.graceMs },
    dst: { gap: dst.gap, repeat: dst.repeat },
    dayMatch,
    jitter: jitterMs,
    startAt: startAt === null ? null : timeText(startAt),
    endAt: endAt === null ? null : timeText(endAt),
    maxRuns,
    enabled,
  };
}

function specView(spec: ScheduleSpec): DeclarationView['spec'] {
  return 'at' in spec ? { at: timeText(spec.at) } : spec;
}

function jobView(job: ScheduleDeclaration['job']): DeclarationView['job'] {
  const view: { [field: string]: unknown } = { ...job };
  if (job.backoff !== undefined) view.backoff = backoffWire(job.backoff);
  if (job.unique) view.unique = uniqueView(job.unique);
  if (job.deadline !== undefined) view.deadline = deadlineView(job.deadline);
  // A checked request is JSON throughout: its fields are words, numbers, lists and what was checked as JSON.
  return view as DeclarationView['job'];
}

/** Text that is the same for the same declaration, however it was written, and differs when it does. */
export function fingerprint(declaration: ScheduleDeclaration): string {
  // A view is JSON; its interface only lacks the index signature.
  return canonicalJson(declarationView(declaration) as unknown as Json);
}
