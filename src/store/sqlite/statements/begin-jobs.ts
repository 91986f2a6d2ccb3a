import type { NewJob } from '../../../job/job.ts';
import { startedFact } from '../../../job/job-event.ts';
import { assert } from '../../../kernel/error.ts';
import { isPlain } from '../../alike-jobs.ts';
import type { BegunClaim } from '../../begun-claims.ts';
import { type ClaimedAlike, claimedAlike } from '../first-runs.ts';
import { EXECUTING } from '../run-states.ts';
import { allows, type StoreWorld } from '../verb.ts';
import { claimer } from './claim.ts';
import { ALIKE_ROWS, argsOf, putAlike } from './put-rows.ts';

/** What stores jobs as executing for claims of the same group. */
export interface BeginJobs {
  /** The claim that a job would begin for. */
  claimFor(job: NewJob | undefined): BegunClaim | undefined;
  /**
   * Stores plain jobs that are alike, one or {@link ALIKE_ROWS}, for a claim that has room for them.
   * @returns the ids and places of those that were not there; undefined: they do not fit its answer, and nothing was stored
   */
  begin(part: readonly NewJob[], claim: BegunClaim): Map<string, number> | 'all' | undefined;
}

/** See {@link BeginJobs}. */
export function beginJobs(world: StoreWorld): BeginJobs {
  const claimWaiting = claimer(world);
  const puts = new Map([1, ALIKE_ROWS].map((rows) => [rows, putAlike(world, rows)]));
  const { counts } = world;
  const behind = world.lists(`select 1 from jobs indexed by jobs_claim where queue = ? and ${allows('claim')}
    and aside is null and (priority, scheduled_at) > (?, ?) limit 1`);

  /** What waits goes first, where all of it comes before the first of the new jobs. */
  function look(claim: BegunClaim): void {
    if (claim.hasLooked) return;
    claim.hasLooked = true;
    const { options, facts } = claim;
    const first = world.begun?.firstOf(options.queue);
    if (first === undefined || counts.of(options.queue, 'available') === 0) return;
    // What was set aside may be anywhere.
    if (world.queues.aside.of(options.queue) !== undefined) return;
    if (behind.all(options.queue, first.priority, first.scheduledAt).length > 0) return;
    claim.take(claimWaiting(options, (fact) => facts.push(fact)));
  }

  return {
    claimFor(job) {
      const claims = job && world.begun?.of(job.queue);
      if (claims === undefined || job === undefined) return undefined;
      const { queue, type, state } = job;
      if (state !== 'available' || !isPlain(job) || world.queues.of(queue) !== undefined) return undefined;
      claims.forEach(look);
      if (counts.of(queue, 'available') > 0) return undefined;
      return claims.find((claim) => claim.room > 0 && claim.takes(type));
    },
    begin(part, claim) {
      const [first] = part;
      const put = puts.get(part.length);
      assert(first !== undefined && put !== undefined, 'jobs begin one by one or so many at once');
      const args = argsOf(part);
      if (!claim.reserve(first.type, args)) return undefined;
      const { now, worker, node } = claim.options;
      const { stored, last } = put(part, args, { now, runner: world.workers.seen(worker, node, now) });
      const left = stored === 'all' ? undefined : new Map(stored);
      let alike: ClaimedAlike | undefined;
      for (const [at, job] of part.entries()) {
        const seq = left === undefined ? last - part.length + 1 + at : left.get(job.id);
        if (seq === undefined) continue;
        // An id that is twice among them is stored by the first.
        left?.delete(job.id);
        const begun = claim.begin(job, args[at] ?? '');
        alike ??= claimedAlike(begun, { now, worker });
        world.firstRuns.keep(job.id, seq, alike);
        claim.facts.push(startedFact(begun, now));
      }
      const jobs = stored === 'all' ? part.length : stored.size;
      claim.missed(part.length - jobs);
      counts.add(first.queue, 'available', -jobs);
      counts.add(first.queue, EXECUTING, jobs);
      return stored;
    },
  };
}
