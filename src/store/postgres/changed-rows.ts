import type { Job } from '../../job/job.ts';
import { jobFact } from '../../job/job-event.ts';
import { filledCell } from '../cell.ts';
import type { Transaction } from './transaction.ts';
import type { Tell } from './verb.ts';

/** Writes a job that `job/` changed over its locked row, and tells it; where nothing differs nothing is written and told. */
export async function writeChanged(
  tx: Transaction,
  rows: { before: Job; after: Job },
  { now, tell }: { now: number; tell: Tell },
): Promise<void> {
  const { before, after } = rows;
  if (after === before) return;
  const { id, queue, state, priority, maxAttempts, scheduledAt, tags, meta, args } = after;
  await tx.run(
    `update @jobs set queue = $1, state = $2, priority = $3, max_attempts = $4, scheduled_at = $5, tags = $6, meta = $7,
      args = $8, partition_key = $9, aside = null
    where id = $10`,
    [
      ...[queue, state, priority, maxAttempts, scheduledAt, filledCell(tags), filledCell(meta), JSON.stringify(args)],
      ...[tx.queues.keyOf(queue, after), id],
    ],
  );
  tell(jobFact('updated', after, { at: now, ...(state === 'scheduled' ? { nextAt: scheduledAt } : {}) }));
}
