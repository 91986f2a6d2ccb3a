import type { NewJob } from '../../../job/job.ts';
import { assert } from '../../../kernel/error.ts';
import { isLike, isPlain } from '../../alike-jobs.ts';
import type { BegunClaim } from '../../begun-claims.ts';
import type { ClaimOptions } from '../../job-store.ts';
import { EXECUTING } from '../claimed-jobs.ts';
import { jsonTexts, numbers, numbersIn, words } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import { startedBy } from './claim.ts';
import { claimFresh, nothingWaits } from './claim-fresh.ts';

/** Plain jobs that came together, which begin for one claim; places in the order of the list, for nothing sorts them. */
const BEGIN = `with begun as (
    insert into @jobs (id, queue, type, state, priority, max_attempts, attempt, run, runner, attempted_at, scheduled_at,
      inserted_at, finished_at, args)
    select id, $2, $3, '${EXECUTING}', $4::smallint, $5::integer, 1, 1, $6, $7, scheduled_at, inserted_at, inserted_at, args
    from unnest($1::uuid[], $8::bigint[], $9::bigint[], string_to_array($10, chr(31)))
      as job (id, scheduled_at, inserted_at, args)
    returning seq)
  select array_agg(seq) from begun`;

/** Jobs next to each other that begin for one claim. */
interface Part {
  claim: BegunClaim;
  jobs: NewJob[];
  args: string[];
}

/**
 * Stores what claims of the same group take of new jobs as executing, where it is known that nothing waits before them: one
 * row instead of a row, its change, and all that both leave behind. Answers the jobs that are left.
 */
export async function beginJobs(tx: Transaction, jobs: readonly NewJob[]): Promise<readonly NewJob[]> {
  const { claims } = tx;
  if (claims === undefined) return jobs;
  for (const queue of new Set(jobs.map((job) => job.queue))) {
    if (tx.queues.of(queue) !== undefined) continue;
    for (const claim of claims.of(queue) ?? []) await look(tx, claim, claims.comingTo(queue)?.first);
  }
  const parts: Part[] = [];
  const left: NewJob[] = [];
  const closed = new Set<string>();
  for (const job of jobs) {
    const claim = job.state !== 'available' || closed.has(job.queue) ? undefined : claimFor(tx, job);
    const args = claim === undefined ? '' : JSON.stringify(job.args);
    if (claim?.reserve(job.type, [args])) addTo(parts, { claim, job, args });
    else {
      left.push(job);
      // What comes after a job that waits waits too.
      if (job.state === 'available') closed.add(job.queue);
    }
  }
  for (const part of parts) await begin(tx, part);
  return left;
}

/** What waits and comes before the first of the new jobs goes first. */
async function look(tx: Transaction, claim: BegunClaim, first: NewJob | undefined): Promise<void> {
  if (claim.hasLooked) return;
  claim.hasLooked = true;
  const { options, facts } = claim;
  if (isAside(tx, options)) return;
  const waited = await claimFresh(tx, options, { room: options.limit, before: first });
  claim.take(waited.map((one) => startedBy(tx, one, { options, tell: (fact) => facts.push(fact) })));
  if (claim.room > 0) await nothingWaits(tx, options);
}

/** Whether jobs were set aside that a claim takes: they come back in line. */
const isAside = (tx: Transaction, { queue, types }: ClaimOptions): boolean =>
  tx.queues.asideOf(queue).some((type) => types?.includes(type) ?? true);

/** The claim that a job begins for: the first that takes it, if nothing waits in front of that. */
function claimFor(tx: Transaction, job: NewJob): BegunClaim | undefined {
  const { queue, type } = job;
  const claims = isPlain(job) && tx.queues.of(queue) === undefined ? tx.claims?.of(queue) : undefined;
  const claim = claims?.find((one) => one.room > 0 && one.takes(type));
  if (claim === undefined || isAside(tx, claim.options)) return undefined;
  const { types } = claim.options;
  // What the group itself has put in line waits too.
  if (tx.starts.ownFirst(queue, types) !== undefined) return undefined;
  const line = tx.starts.line(queue, types);
  return line !== undefined && line.size === 0 && !line.isDue(tx.now) ? claim : undefined;
}

function addTo(parts: Part[], { claim, job, args }: { claim: BegunClaim; job: NewJob; args: string }): void {
  const last = parts.at(-1);
  const first = last?.jobs[0];
  if (last?.claim === claim && first !== undefined && isLike(job, first)) {
    last.jobs.push(job);
    last.args.push(args);
  } else parts.push({ claim, jobs: [job], args: [args] });
}

async function begin(tx: Transaction, { claim, jobs, args }: Part): Promise<void> {
  const [first] = jobs;
  assert(first !== undefined, 'a part has a job');
  const { options, facts } = claim;
  const [row] = await tx.lists(BEGIN, [
    words(jobs.map(({ id }) => id)),
    ...[first.queue, first.type, first.priority, first.maxAttempts, tx.signs.keyOf(options.worker), options.now],
    numbers(jobs.map(({ scheduledAt }) => scheduledAt)),
    numbers(jobs.map(({ insertedAt }) => insertedAt)),
    jsonTexts(args, (text) => text),
  ]);
  const places = numbersIn(row?.[0] ?? null);
  assert(places.length === jobs.length, 'each job that begins has a place');
  for (const [at, job] of jobs.entries()) {
    const begun = claim.begin(job, args[at] ?? '');
    startedBy(tx, { seq: places[at] ?? 0, job: begun }, { options, tell: (fact) => facts.push(fact) });
  }
}
