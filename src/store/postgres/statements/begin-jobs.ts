import type { NewJob } from '../../../job/job.ts';
import { assert } from '../../../kernel/error.ts';
import { isLike, isPlain } from '../../alike-jobs.ts';
import type { BegunClaim } from '../../begun-claims.ts';
import type { ClaimOptions } from '../../job-store.ts';
import { EXECUTING } from '../claimed-jobs.ts';
import type { QueueRule } from '../queue-rules.ts';
import { jsonTexts, numbers, numbersIn, texts, words } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import { type PartitionRooms, roomBeside } from './begin-room.ts';
import { claimPartitions, startedBy } from './claim.ts';
import { claimFresh, nothingWaits } from './claim-fresh.ts';
import { noteStarts } from './queue-room.ts';

/** Plain jobs that came together, which begin for one claim; places in the order of the list, for nothing sorts them. */
const beginText = (column: string, list: string): string => `with begun as (
    insert into @jobs (id, queue, type, state, priority, max_attempts, attempt, run, runner, attempted_at, scheduled_at,
      inserted_at, finished_at, args ${column})
    select id, $2, $3, '${EXECUTING}', $4::smallint, $5::integer, 1, 1, $6, $7, scheduled_at, inserted_at, inserted_at, args
      ${column}
    from unnest($1::uuid[], $8::bigint[], $9::bigint[], string_to_array($10, chr(31)) ${list})
      as job (id, scheduled_at, inserted_at, args ${column})
    returning seq)
  select array_agg(seq) from begun`;
const BEGIN = beginText('', '');
const BEGIN_BY_KEY = beginText(', partition_key', ', $11::text[]');

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
  const rooms = new Map<string, PartitionRooms>();
  for (const queue of new Set(jobs.map((job) => job.queue))) {
    const its = claims.of(queue);
    if (its === undefined) continue;
    for (const claim of its) await look(tx, claim, claims.comingTo(queue)?.first);
    const rule = tx.queues.of(queue);
    const room =
      rule === undefined ? 'unbound' : await roomBeside(tx, rule, { claims: its, claimWaiting: lookByPartition });
    if (room === 'none') claims.close(queue);
    else if (room !== 'unbound') rooms.set(queue, room);
  }
  const parts: Part[] = [];
  const left: NewJob[] = [];
  for (const job of jobs) {
    const { queue, type } = job;
    const claim = job.state === 'available' ? claimFor(tx, job, rooms.get(queue)) : undefined;
    const args = claim === undefined ? '' : JSON.stringify(job.args);
    if (claim !== 'full' && claim?.reserve(type, [args])) {
      rooms.get(queue)?.take(job);
      addTo(parts, { claim, job, args });
      continue;
    }
    left.push(job);
    // What comes after a job that waits waits too, but for a partition that is full.
    if (job.state === 'available' && claim !== 'full') claims.close(queue);
  }
  for (const part of parts) await begin(tx, part);
  return left;
}

/** What waits and comes before the first of the new jobs goes first. */
async function look(tx: Transaction, claim: BegunClaim, first: NewJob | undefined): Promise<void> {
  const { options, facts } = claim;
  // Where there are limits what waits is left to the claim itself.
  if (claim.hasLooked || tx.queues.of(options.queue) !== undefined) return;
  claim.hasLooked = true;
  if (isAside(tx, options)) return;
  const waited = await claimFresh(tx, options, { room: options.limit, before: first });
  claim.take(waited.map((one) => startedBy(tx, one, { options, tell: (fact) => facts.push(fact) })));
  if (claim.room > 0) await nothingWaits(tx, options);
}

/** What waits in a queue with partitions goes first; whether all of it did that the claim may take. */
async function lookByPartition(tx: Transaction, claim: BegunClaim, rule: QueueRule): Promise<boolean> {
  const { options, facts } = claim;
  const { jobs, isAll } = await claimPartitions(tx, { options, rule, room: options.limit });
  await noteStarts(tx, rule, { jobs: jobs.length, now: options.now });
  claim.take(jobs.map((one) => startedBy(tx, one, { options, tell: (fact) => facts.push(fact) })));
  return isAll;
}

/** Whether jobs were set aside that a claim takes: they come back in line. */
const isAside = (tx: Transaction, { queue, types }: ClaimOptions): boolean =>
  tx.queues.asideOf(queue).some((type) => types?.includes(type) ?? true);

/** The claim that a job begins for: the first that takes it, if nothing waits in front of that. */
function claimFor(tx: Transaction, job: NewJob, rooms: PartitionRooms | undefined): BegunClaim | 'full' | undefined {
  const { queue, type } = job;
  const claims = isPlain(job) ? tx.claims?.of(queue) : undefined;
  const claim = claims?.find((one) => one.room > 0 && one.takes(type));
  if (claim === undefined || isAside(tx, claim.options)) return undefined;
  if (rooms !== undefined) return rooms.has(job) ? claim : 'full';
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
  const rule = tx.queues.of(first.queue);
  const keys = rule?.partition ? [texts(jobs.map((job) => tx.queues.keyOf(job.queue, job)))] : [];
  const [row] = await tx.lists(keys.length === 0 ? BEGIN : BEGIN_BY_KEY, [
    words(jobs.map(({ id }) => id)),
    ...[first.queue, first.type, first.priority, first.maxAttempts, tx.signs.keyOf(options.worker), options.now],
    numbers(jobs.map(({ scheduledAt }) => scheduledAt)),
    numbers(jobs.map(({ insertedAt }) => insertedAt)),
    jsonTexts(args, (text) => text),
    ...keys,
  ]);
  if (rule !== undefined) await noteStarts(tx, rule, { jobs: jobs.length, now: options.now });
  const places = numbersIn(row?.[0] ?? null);
  assert(places.length === jobs.length, 'each job that begins has a place');
  for (const [at, job] of jobs.entries()) {
    const begun = claim.begin(job, args[at] ?? '');
    startedBy(tx, { seq: places[at] ?? 0, job: begun }, { options, tell: (fact) => facts.push(fact) });
  }
}
