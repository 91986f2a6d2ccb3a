import type { NewJob } from '../../../job/job.ts';
import { isPlain } from '../../alike-jobs.ts';
import type { ClaimOptions } from '../../job-store.ts';
import type { StoreWorld } from '../verb.ts';

/** Stores a job as executing, if it is one for the claim right behind its insert; whether it did. */
export type BeginJob = (job: NewJob) => boolean;

/**
 * What stores a plain job for a worker that waits, whose claim rides in the transaction which brings it work: as one row
 * that executes, instead of one that is available and is then changed.
 */
export function beginJob(world: StoreWorld): BeginJob {
  const insert = world.rows(`insert into jobs (queue, type, state, priority, attempt, max_attempts, run, scheduled_at,
      inserted_at, attempted_at, finished_at, runner, id, args)
    values (?, ?, 'executing', ?, 1, ?, 1, ?, ?, ?, ?, ?, ?, ?)
    on conflict do nothing`);
  return (job) => {
    const { behind: claim } = world.begun;
    if (claim?.verb !== 'claim' || !takes(world, claim, job)) return false;
    const { id, queue, type, priority, maxAttempts, scheduledAt, insertedAt } = job;
    const args = JSON.stringify(job.args);
    const runner = world.workers.seen(claim.worker, claim.node, claim.now);
    const times = [scheduledAt, insertedAt, claim.now, insertedAt] as const;
    const { changes, lastInsertRowid } = insert.run(queue, type, priority, maxAttempts, ...times, runner, id, args);
    if (changes !== 1) return false;
    const place = Number(lastInsertRowid);
    world.places.given(place);
    world.begun.put({ place, id, args, alike: job });
    return true;
  };
}

/** Whether a claim takes a job that is about to come, and nothing else: where nothing waits, and operators said nothing. */
function takes(world: StoreWorld, claim: ClaimOptions, job: NewJob): boolean {
  const { queue, limit, types } = claim;
  return (
    job.queue === queue &&
    limit > 0 &&
    job.state === 'available' &&
    isPlain(job) &&
    (types?.includes(job.type) ?? true) &&
    world.queues.of(queue) === undefined &&
    world.counts.of(queue, 'available') === 0 &&
    world.places.next() === null
  );
}
