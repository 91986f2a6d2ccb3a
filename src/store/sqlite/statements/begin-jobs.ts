import { startedFact } from '../../../job/job-event.ts';
import { assert } from '../../../kernel/error.ts';
import type { BegunClaim } from '../../begun-claims.ts';
import { type ClaimedAlike, claimedAlike } from '../first-runs.ts';
import type { StoreWorld } from '../verb.ts';
import type { NewJobs } from './partition-wait.ts';
import { ALIKE_ROWS, argsOf, putAlike } from './put-rows.ts';

/**
 * Stores plain jobs that are alike, one or {@link ALIKE_ROWS}, as executing for a claim of the same group that has room for
 * them.
 * @returns the ids and places of those that were not there; undefined: they do not fit its answer, and nothing was stored
 */
export type BeginJobs = (part: NewJobs, claim: BegunClaim) => Map<string, number> | 'all' | undefined;

/** See {@link BeginJobs}. */
export function beginJobs(world: StoreWorld): BeginJobs {
  const puts = new Map([1, ALIKE_ROWS].map((rows) => [rows, putAlike(world, rows)]));
  const { queues } = world;
  return (part, claim) => {
    const { jobs, keys } = part;
    const [first] = jobs;
    const put = puts.get(jobs.length);
    assert(first !== undefined && put !== undefined, 'jobs begin one by one or so many at once');
    const { queue } = first;
    const args = argsOf(jobs);
    if (!claim.reserve(first.type, args)) {
      world.begun?.close(queue);
      return undefined;
    }
    const { now, worker, node } = claim.options;
    const { stored, last } = put(part, args, { now, runner: world.workers.seen(worker, node, now) });
    const left = stored === 'all' ? undefined : new Map(stored);
    let alike: ClaimedAlike | undefined;
    for (const [at, job] of jobs.entries()) {
      const seq = left === undefined ? last - jobs.length + 1 + at : left.get(job.id);
      if (seq === undefined) continue;
      // An id that is twice among them is stored by the first.
      left?.delete(job.id);
      const one = claim.begin(job, args[at] ?? '');
      alike ??= claimedAlike(one, { now, worker });
      world.firstRuns.keep(job.id, seq, alike);
      const key = keys?.[at];
      if (key !== undefined) queues.running.claimed(queue, seq, key);
      claim.facts.push(startedFact(one, now));
    }
    const begun = stored === 'all' ? jobs.length : stored.size;
    claim.missed(jobs.length - begun);
    const rule = queues.of(queue);
    if (rule !== undefined) queues.started(rule, begun, now);
    return stored;
  };
}
