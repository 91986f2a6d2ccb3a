import type { NewJob } from '../../../job/job.ts';
import { isLike, isPlain } from '../../alike-jobs.ts';
import { type Cell, filledCell, jsonCell, text } from '../../cell.ts';
import type { Value } from '../connection.ts';
import type { FreshJobs } from '../fresh-lines.ts';
import { heldOrNull } from '../plain-text.ts';
import { jsonTexts, numbers, texts, words } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';

const PUT = `insert into @jobs (id, queue, type, state, priority, max_attempts, scheduled_at, inserted_at, attempted_at,
    finished_at, timeout_ms, deadline_at, unique_key, reference_type, reference_id, schedule_name, schedule_at,
    schedule_late, traceparent, backoff, tags, meta, args, partition_key)
  select id, queue, type, state, priority, max_attempts, scheduled_at, inserted_at, inserted_at, inserted_at, timeout_ms,
    deadline_at, unique_key, reference_type, reference_id, schedule_name, schedule_at, schedule_late, traceparent, backoff,
    tags, meta, args, partition_key
  from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::integer[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::smallint[],
    $17::text[], $18::text[], $19::text[], $20::text[], string_to_array($21, chr(31)), $22::text[])
    as job (id, queue, type, state, priority, max_attempts, scheduled_at, inserted_at, timeout_ms, deadline_at, unique_key,
      reference_type, reference_id, schedule_name, schedule_at, schedule_late, traceparent, backoff, tags, meta, args,
      partition_key)`;

/** Plain jobs that came together are alike but for these. A fifth of what the general statement costs is saved. */
const PUT_ALIKE = `insert into @jobs (id, queue, type, state, priority, max_attempts, scheduled_at, inserted_at,
    attempted_at, finished_at, args)
  select id, $2, $3, $4, $5::smallint, $6::integer, scheduled_at, inserted_at, inserted_at, inserted_at, args
  from unnest($1::uuid[], $7::bigint[], $8::bigint[], string_to_array($9, chr(31)))
    as job (id, scheduled_at, inserted_at, args)`;

/** To look before each row whether it is there, and mark it while it comes, is a third of what an insert costs. */
const CAREFULLY = ' on conflict do nothing returning id';

const PUTS = {
  plain: { all: PUT, alike: PUT_ALIKE },
  careful: { all: PUT + CAREFULLY, alike: PUT_ALIKE + CAREFULLY },
};

/** {@link putNew}, and the ids that it stored. */
export async function putRows(tx: Transaction, jobs: readonly NewJob[]): Promise<Set<string>> {
  const rows = await putNew(tx, jobs);
  // What was not careful would have thrown.
  return new Set(tx.careful ? rows.map(([id]: Cell[]) => text(id)) : jobs.map(({ id }) => id));
}

/** Inserts rows; of a careful transaction all but those whose id or tick is there, and answers the ids that it stored. */
export async function putNew(tx: Transaction, jobs: readonly NewJob[]): Promise<Cell[][]> {
  const [first] = jobs;
  if (first === undefined) return [];
  tx.starts.puts(jobs);
  const puts = tx.careful ? PUTS.careful : PUTS.plain;
  const alike = jobs.every((job) => isPlain(job) && isLike(job, first) && tx.queues.keyOf(job.queue, job) === null);
  if (!alike) return await tx.lists(puts.all, allValues(tx, jobs));
  const lists = {
    ids: jobs.map(({ id }) => id),
    args: jobs.map(({ args }) => JSON.stringify(args)),
    scheduledAts: jobs.map(({ scheduledAt }) => scheduledAt),
    insertedAts: jobs.map(({ insertedAt }) => insertedAt),
  };
  if (!tx.careful && tx.xmin !== undefined && first.state === 'available' && isInOrder(lists.scheduledAts)) {
    const { queue, type, priority, maxAttempts } = first;
    tx.starts.fresh.push({ alike: { queue, type, priority, maxAttempts }, ...lists, xmin: tx.xmin });
  }
  return await tx.lists(puts.alike, alikeValues(first, lists));
}

const isInOrder = (times: readonly number[]): boolean =>
  times.every((time, at) => at === 0 || (times[at - 1] ?? 0) <= time);

function alikeValues(
  { queue, type, state, priority, maxAttempts }: NewJob,
  { ids, args, scheduledAts, insertedAts }: Omit<FreshJobs, 'alike' | 'xmin'>,
): Value[] {
  return [
    words(ids),
    ...[queue, type, state, priority, maxAttempts],
    numbers(scheduledAts),
    numbers(insertedAts),
    jsonTexts(args, (text) => text),
  ];
}

const argsOf = (jobs: readonly NewJob[]): string => jsonTexts(jobs, ({ args }) => JSON.stringify(args));

function allValues(tx: Transaction, jobs: readonly NewJob[]): Value[] {
  const textsOf = (read: (job: NewJob) => string | null): string | null => listOrNull(jobs.map(read), texts);
  const numbersOf = (read: (job: NewJob) => number | null): string | null => listOrNull(jobs.map(read), numbers);
  return [
    words(jobs.map(({ id }) => id)),
    texts(jobs.map(({ queue }) => queue)),
    texts(jobs.map(({ type }) => type)),
    words(jobs.map(({ state }) => state)),
    numbers(jobs.map(({ priority }) => priority)),
    numbers(jobs.map(({ maxAttempts }) => maxAttempts)),
    numbers(jobs.map(({ scheduledAt }) => scheduledAt)),
    numbers(jobs.map(({ insertedAt }) => insertedAt)),
    numbersOf(({ timeoutMs }) => timeoutMs),
    numbersOf(({ deadlineAt }) => deadlineAt),
    textsOf(({ unique }) => unique?.key ?? null),
    textsOf(({ reference }) => heldOrNull(reference?.type ?? null)),
    textsOf(({ reference }) => heldOrNull(reference?.id ?? null)),
    textsOf(({ schedule }) => schedule?.name ?? null),
    numbersOf(({ schedule }) => schedule?.at ?? null),
    numbersOf(({ schedule }) => (schedule === null ? null : Number(schedule.late))),
    textsOf(({ traceparent }) => heldOrNull(traceparent)),
    textsOf(({ backoff }) => jsonCell(backoff)),
    textsOf(({ tags }) => filledCell(tags)),
    textsOf(({ meta }) => filledCell(meta)),
    argsOf(jobs),
    textsOf((job) => tx.queues.keyOf(job.queue, job)),
  ];
}

/** A column that no row fills is sent as null: to a list with others, a missing one is nulls. */
function listOrNull<T>(values: readonly (T | null)[], write: (values: readonly (T | null)[]) => string): string | null {
  return values.every((value) => value === null) ? null : write(values);
}
