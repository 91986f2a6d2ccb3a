import type { Cell } from '../../cell.ts';
import { text } from '../../cell.ts';
import { texts, words } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import { allows } from '../verb.ts';

/** So many unclaimable jobs at the head, without a claimable one among them, are worth setting aside. */
const IN_THE_WAY = 64;
/** Places of one claim in which others' jobs are set aside, at most: 15 µs a job. */
const ASIDE_STEP_MAX = 5_000;

/** What stands in the order of claims. */
export const IN_LINE = `aside is null and ${allows('claim')}`;
/** Whether the job at the head of a queue is of some types; both are names of values. */
export const headFits = (queue: string, types: string): string => `(select type = any(${types}::text[]) from @jobs
  where queue = ${queue} and ${IN_LINE} order by priority, scheduled_at, seq limit 1)`;
/** What was set aside, in the words of its index. */
const IS_ASIDE = `aside is not null and ${allows('claim')}`;

const HEAD = `select id, type from @jobs where queue = $1 and ${IN_LINE} order by priority, scheduled_at, seq limit $2`;

const SET_ASIDE = `with others as materialized (select jobs.ctid as at from unnest($1::uuid[]) as said (id)
    join @jobs as jobs on jobs.id = said.id and case when ${allows('claim', 'jobs.state')} then jobs.aside is null end
    for update of jobs skip locked)
  update @jobs as jobs set aside = 1 from others where jobs.ctid = others.at`;

const BRING_BACK = `with back as materialized (select job.at from unnest($2::text[]) as wanted (type) cross join lateral
      (select ctid as at from @jobs where queue = $1 and type = wanted.type and ${IS_ASIDE}
        and (deadline_at is null or deadline_at > $4) order by priority, scheduled_at, seq limit $3
        for update skip locked) as job)
  update @jobs as jobs set aside = null from back where jobs.ctid = back.at returning jobs.type`;

const FORGET = `delete from @set_aside as known where queue = $1 and type = any($2::text[]) and not exists
  (select 1 from @jobs as jobs where jobs.queue = known.queue and jobs.type = known.type and ${IS_ASIDE})`;

/**
 * Sets jobs aside that stand in the way of a claim of some types, some at each claim: what a worker cannot run it walks
 * past, 0.3 µs a job, nothing where types are mixed, 300 ms where a million of a type that nobody takes stand at the head.
 */
export async function setAside(tx: Transaction, queue: string, types: readonly string[]): Promise<void> {
  const wanted = new Set(types);
  const isOthers = ([, type]: Cell[]): boolean => !wanted.has(text(type));
  const near = await tx.lists(HEAD, [queue, IN_THE_WAY]);
  if (near.length < IN_THE_WAY || !near.every(isOthers)) return;
  const others = (await tx.lists(HEAD, [queue, ASIDE_STEP_MAX])).filter(isOthers);
  const named = texts([...new Set(others.map(([, type]) => text(type)))].sort());
  await tx.run('insert into @set_aside (queue, type) select $1, * from unnest($2::text[]) on conflict do nothing', [
    queue,
    named,
  ]);
  // Locked until the commit, so that none of them is forgotten meanwhile.
  const kept = await tx.lists(
    'select type from @set_aside where queue = $1 and type = any($2::text[]) order by type for key share',
    [queue, named],
  );
  const known = new Set(kept.map(([type]) => text(type)));
  tx.queues.setAside(queue, known);
  const ids = others.flatMap(([id, type]) => (known.has(text(type)) ? [text(id)] : []));
  await tx.run(SET_ASIDE, [words(ids)]);
}

/** Puts what was set aside of a claim's types back in line, as much of each as the claim can take; all types when left out. */
export async function bringBack(
  tx: Transaction,
  { queue, types, limit, now }: { queue: string; types: readonly string[] | undefined; limit: number; now: number },
): Promise<void> {
  const aside = tx.queues.asideOf(queue).filter((type) => types?.includes(type) ?? true);
  if (aside.length === 0) return;
  const counts = new Map(aside.map((type) => [type, 0]));
  const back = await tx.lists(BRING_BACK, [queue, texts(aside), limit, now]);
  if (back.length > 0) tx.starts.disturb();
  for (const [cell] of back) {
    const type = text(cell);
    counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  const short = [...counts].flatMap(([type, count]) => (count < limit ? [type] : []));
  if (short.length > 0) await forget(tx, queue, short);
}

/** Forgets types of which nothing is set aside any more. What another transaction sets aside just now it keeps locked. */
async function forget(tx: Transaction, queue: string, types: readonly string[]): Promise<void> {
  const locked = await tx.lists(
    'select type from @set_aside where queue = $1 and type = any($2::text[]) order by type for update skip locked',
    [queue, texts(types)],
  );
  if (locked.length > 0) await tx.run(FORGET, [queue, texts(locked.map(([type]) => text(type)))]);
}
