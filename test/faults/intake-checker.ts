import type { PublishedMessage } from '../support/intake-load.ts';
import type { WireEvent, WireJob } from '../support/plain-client.ts';
import { type Span, within } from './chaos-history.ts';

/** A job with what tells which message it is from. */
export type TaggedJob = WireJob & { tags: string[] };

/** An entry of the rejected list. */
export interface RejectedEntry {
  at: string;
  msgId: string | null;
  message: string;
}

/** What was seen of published messages after all had time to end. */
export interface IntakeEvidence {
  published: readonly PublishedMessage[];
  jobs: readonly TaggedJob[];
  rejected: readonly RejectedEntry[];
  /** Every event that came. */
  events: readonly WireEvent[];
  /** When those who listen may have missed what was told. */
  deaf?: readonly Span[];
}

/** All that is wrong with how messages ended, in words: each as its jobs or in the rejected list, once and told. */
export function brokenMessages({ published, jobs, rejected, events, deaf = [] }: IntakeEvidence): string[] {
  const jobsOf = Map.groupBy(jobs, ({ tags: [tag = ''] }) => tag);
  const rejectedOf = Map.groupBy(rejected, ({ msgId }) => msgId ?? '');
  const isRejection = ({ type }: WireEvent): boolean => type === 'jobs.intake.rejected';
  const toldOf = Map.groupBy(events.filter(isRejection), ({ subject }) => subject);
  return published.flatMap((wanted) => {
    const { msgId } = wanted;
    const entries = rejectedOf.get(msgId) ?? [];
    const found = { jobs: jobsOf.get(msgId)?.length ?? 0, rejected: entries.length };
    const told = new Set((toldOf.get(msgId) ?? []).map(({ id }) => id)).size;
    const broken: string[] = [];
    // One that those who handled it died of too often is rejected as a whole, unless it was made into jobs.
    const isGivenUp = found.jobs === 0 && found.rejected === 1 && /handled .* alone/.test(entries[0]?.message ?? '');
    if (!isGivenUp && (found.jobs !== wanted.jobs || found.rejected !== wanted.rejected)) {
      broken.push(`${msgId} became ${found.jobs} jobs and ${found.rejected} rejections: ${JSON.stringify(wanted)}`);
    }
    const isUnheard = entries.some(({ at }) => deaf.some((span) => within(Date.parse(at), span)));
    if (told > found.rejected || (told < found.rejected && !isUnheard))
      broken.push(`${msgId} was rejected ${found.rejected} times and told ${told} times`);
    return broken;
  });
}
