import type { ClaimedJob } from '../../../job/job.ts';
import { startedFact } from '../../../job/job-event.ts';
import { assert } from '../../../kernel/error.ts';
import { integer } from '../../cell.ts';
import { CLAIM_FRAME_BYTES } from '../../claim-size.ts';
import { firstRun } from '../../first-run.ts';
import type { ClaimOptions } from '../../job-store.ts';
import type { ClaimPlace } from '../claim-starts.ts';
import { CLAIMED, CLAIMED_CELLS, type Claimed, claimedJobs, TAKE } from '../claimed-jobs.ts';
import type { Value } from '../connection.ts';
import type { QueueRule } from '../queue-rules.ts';
import { texts, words } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import { type Asked, allows, type Verb } from '../verb.ts';
import { claimFresh } from './claim-fresh.ts';
import { pickPartitions } from './claim-partitions.ts';
import { lockLimited, noteStarts, roomOf } from './queue-room.ts';
import { bringBack, headFits, IN_LINE, setAside } from './set-aside.ts';

/** Where a row says how many were picked, and what is at the head of the queue. */
const PICKED_AT = CLAIMED_CELLS;
const HEAD_AT = CLAIMED_CELLS + 1;

/** At most the bytes of a text in JSON: all escapes of 6 bytes, where it is not held as JSON already. */
const escaped = (column: string): string =>
  `case when starts_with(${column}, chr(1)) then octet_length(${column}) else 6 * length(${column}) end`;

/** At most how many bytes of JSON the job of a row takes. */
const BYTES = `${CLAIM_FRAME_BYTES} + octet_length(type) + coalesce(octet_length(schedule_name), 0)
  + 6 * coalesce(octet_length(traceparent), 0) + coalesce(${escaped('reference_type')} + ${escaped('reference_id')}, 0)
  + octet_length(args) + coalesce(octet_length(tags), 0) + coalesce(octet_length(meta), 0)`;

/** Of the rows that were picked those that fit into so many bytes together, in order; the first always does. */
const fitting = (bytesMax: string): string => `select at from
    (select at, bytes, sum(bytes) over (rows unbounded preceding) as total from picked) as sized
  where total <= ${bytesMax}::bigint or total = bytes`;

/** Whether what stands at the head of the queue is of the claim's types, in the last cell of each row. */
const HEAD = headFits('$3', '$5');

/** What a claim says beyond how many of which queue; each part has a text of its own. */
interface Shape {
  types: boolean;
  /** Where it begins, which is not the head. */
  start: boolean;
}

/**
 * The first available jobs of a queue, locked; what others are taking is passed over, and what is past its deadline. They
 * are found again by where their row is: what another transaction changed since the statement began is left to the next claim.
 */
function claimText({ types, start }: Shape): string {
  let last = 4;
  const next = (): string => `$${++last}`;
  const ofTypes = types ? `and type = any(${next()}::text[])` : '';
  const bytes = next();
  const behind = start
    ? `and (priority, scheduled_at, seq) > (${next()}::smallint, ${next()}::bigint, ${next()}::bigint)`
    : '';
  // The head matters to a claim of some types that begins there.
  const head = types && !start ? `, ${HEAD}` : '';
  return `with picked as materialized (select ctid as at, ${BYTES} as bytes from @jobs
      where queue = $3 and ${IN_LINE} and (deadline_at is null or deadline_at > $1) ${ofTypes} ${behind}
      order by priority, scheduled_at, seq limit $4 for update skip locked)
    ${TAKE} where jobs.ctid = any(array(${fitting(bytes)})) ${CLAIMED},
      (select count(*) from picked)${head}`;
}

const BOTH = [false, true];
const shapeName = ({ types, start }: Shape): string => `${types} ${start}`;
const SHAPES = BOTH.flatMap((types) => BOTH.map((start) => ({ types, start })));
const CLAIMS: ReadonlyMap<string, string> = new Map(SHAPES.map((shape) => [shapeName(shape), claimText(shape)]));

/** Claims rows that were picked by partition, those that are still there and that nobody is at. */
const CLAIM_PICKED = `with picked as materialized (select jobs.ctid as at, ${BYTES} as bytes
      from unnest($3::uuid[]) with ordinality as wanted (id, nth) join @jobs as jobs on jobs.id = wanted.id
      order by wanted.nth for update of jobs skip locked)
  ${TAKE} where jobs.ctid = any(array(${fitting('$4')}))
    and case when ${allows('claim', 'jobs.state')} then true end ${CLAIMED}`;

/**
 * Moves available jobs to executing, ordered by (priority, scheduledAt, insertion). Claims of one group go in turn; a
 * queue whose limits count what executes is first locked against the claims of other stores.
 */
export const claim: Verb<'claim'> = async (tx, asked) => {
  await lockLimited(tx);
  const claims: ClaimedJob[][] = [];
  for (const one of asked) claims.push(await claimBeside(tx, one));
  return claims;
};

/** Claims beside what the claim has got already, as the group inserted it. */
async function claimBeside(tx: Transaction, { options, tell }: Asked<'claim'>): Promise<ClaimedJob[]> {
  const begun = tx.claims?.got(options);
  // As long as jobs of a queue with partitions may begin, what goes on waiting there is of full ones.
  const hasAll =
    begun?.hasLooked && tx.queues.of(options.queue)?.partition && tx.claims?.of(options.queue) !== undefined;
  if (begun === undefined || (begun.jobs.length === 0 && !hasAll)) return claimOne(tx, { options, tell });
  begun.facts.forEach(tell);
  const rest = hasAll || !mayWaitBeside(tx, options) ? undefined : begun.rest;
  return begun.with(rest === undefined ? [] : await claimOne(tx, { options: rest, tell }));
}

/** Whether something may wait for a claim beside the jobs that have just begun for it, before which nothing waited. */
function mayWaitBeside(tx: Transaction, { queue, types }: ClaimOptions): boolean {
  const line = tx.starts.line(queue, types);
  return line === undefined || line.size > 0 || tx.starts.ownFirst(queue, types) !== undefined;
}

/** Claims what waits, as far as the limits of its queue go. */
async function claimOne(tx: Transaction, { options, tell }: Asked<'claim'>): Promise<ClaimedJob[]> {
  const { now, queue, limit, types } = options;
  const rule = tx.queues.of(queue);
  const room = rule === undefined ? limit : Math.min(limit, await roomOf(tx, rule, now));
  if (room <= 0 || types?.length === 0) return [];
  const claimed = rule?.partition
    ? (await claimPartitions(tx, { options, rule, room })).jobs
    : await claimInOrder(tx, options, room);
  if (rule !== undefined) await noteStarts(tx, rule, { jobs: claimed.length, now });
  return claimed.map((one) => startedBy(tx, one, { options, tell }));
}

/** Tells that a job has started, and notes its run. */
export function startedBy(
  tx: Transaction,
  { seq, job }: Claimed,
  { options: { now }, tell }: Asked<'claim'>,
): ClaimedJob {
  tell(startedFact(job, now));
  if (job.run === 1 && job.attempt === 1) tx.begun.push(firstRun(job, { seq, attemptedAt: now }));
  return job;
}

async function claimInOrder(tx: Transaction, options: ClaimOptions, room: number): Promise<Claimed[]> {
  const { now, queue, types } = options;
  await bringBack(tx, { queue, types, limit: room, now });
  const fresh = await claimFresh(tx, options, { room, before: tx.starts.ownFirst(queue, types) });
  if (fresh.length > 0) return fresh;
  const start = tx.starts.of(queue, types);
  let came = start === undefined ? undefined : await claimRows(tx, { ...options, limit: room }, start);
  const fromHead = came === undefined || came.jobs.length === 0;
  if (came === undefined || fromHead) came = await claimRows(tx, { ...options, limit: room });
  const { jobs, picked, othersFirst } = came;
  tx.starts.claimed(queue, types, { jobs, room, picked, fromHead });
  const mayBeOthers = jobs.length === 0 ? tx.heads.isDue(queue, now) : othersFirst;
  if (types !== undefined && fromHead && mayBeOthers) await setAside(tx, queue, types);
  return jobs;
}

/** Claims in order, from a place in line or from the head. `othersFirst`: a job of no type of its own stands there. */
async function claimRows(
  tx: Transaction,
  options: ClaimOptions,
  start?: ClaimPlace,
): Promise<{ jobs: Claimed[]; picked: number; othersFirst: boolean }> {
  const { now, queue, worker, types, bytesMax = Number.MAX_SAFE_INTEGER, limit } = options;
  const values: Value[] = [now, tx.signs.keyOf(worker), queue, limit];
  if (types !== undefined) values.push(texts(types));
  values.push(Math.min(Math.trunc(bytesMax), Number.MAX_SAFE_INTEGER));
  if (start !== undefined) values.push(start.priority, start.scheduledAt, start.seq);
  const sql = CLAIMS.get(shapeName({ types: types !== undefined, start: start !== undefined }));
  assert(sql !== undefined, 'each shape of a claim has a text');
  const rows = await tx.lists(sql, values);
  const [first] = rows;
  return {
    jobs: claimedJobs(rows, queue),
    picked: first === undefined ? 0 : integer(first[PICKED_AT] ?? null),
    othersFirst: first?.[HEAD_AT] === 'f',
  };
}

/** Claims what waits in a queue with partitions. `isAll`: of what may be claimed it leaves only what there is no room for. */
export async function claimPartitions(
  tx: Transaction,
  { options, rule, room }: { options: ClaimOptions; rule: QueueRule; room: number },
): Promise<{ jobs: Claimed[]; isAll: boolean }> {
  const { now, queue, worker, types, bytesMax = Number.MAX_SAFE_INTEGER } = options;
  const ids = await pickPartitions(tx, { now, rule, limit: room, types: types && texts(types) });
  if (ids.length === 0) return { jobs: [], isAll: true };
  const values = [now, tx.signs.keyOf(worker), words(ids), Math.min(Math.trunc(bytesMax), Number.MAX_SAFE_INTEGER)];
  const jobs = claimedJobs(await tx.lists(CLAIM_PICKED, values), queue);
  return { jobs, isAll: jobs.length === ids.length };
}
