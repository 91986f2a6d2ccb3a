import type { Job } from '../../job/job.ts';
import { jobFact } from '../../job/job-event.ts';
import { filledCell } from '../cell.ts';
import type { StoreWorld, Tell } from './verb.ts';

/** Writes a job that `job/` changed over its row, and tells it. */
export type WriteChanged = (
  rows: { before: Job; after: Job },
  options: { seq: number; now: number; tell: Tell },
) => void;

/** What `update` and unique jobs write changes with; where nothing differs nothing is written and told. */
export function writeChanged(world: StoreWorld): WriteChanged {
  const write = world.rows(`update jobs set queue = ?, state = ?, priority = ?, max_attempts = ?, scheduled_at = ?,
      tags = ?, meta = ?, args = ?, partition_key = ?, aside = null
    where seq = ?`);
  return ({ before, after }, { seq, now, tell }) => {
    if (after === before) return;
    const { queue, state, priority, maxAttempts, scheduledAt, tags, meta, args } = after;
    const texts = [filledCell(tags), filledCell(meta), JSON.stringify(args), world.queues.keyOf(queue, after)] as const;
    write.run(queue, state, priority, maxAttempts, scheduledAt, ...texts, seq);
    world.counts.put(seq, { queue: before.queue, state: before.state, jobs: -1 });
    world.counts.put(seq, { queue, state, jobs: 1 });
    tell(jobFact('updated', after, { at: now, ...(state === 'scheduled' ? { nextAt: scheduledAt } : {}) }));
  };
}
