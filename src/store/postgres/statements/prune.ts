import { type JobState, TERMINAL_STATES } from '../../../job/state.ts';
import { assert } from '../../../kernel/error.ts';
import { integer, integerOrNull, text } from '../../cell.ts';
import { stateOf } from '../../job-row.ts';
import type { StoreOptions } from '../../job-store.ts';
import { HAS_PLACE, IS_AVAILABLE, OF_PAIR, type Pair, PLACED_STATES, withPairs } from '../job-places.ts';
import { nameOf } from '../prune-walks.ts';
import { words } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import { type Asked, oneByOne, type Verb } from '../verb.ts';
import { pruneRejected } from './rejected-messages.ts';

/** Workers and nodes that gave no sign of life for so long are forgotten. */
const FORGET_AFTER_MS = 86_400_000;
/** What a walk was cut at: a row that was inserted so late that nothing behind it is past its time. */
const LATE = 1;
/** Rows of one queue and state that are looked at in one statement. */
const STEP_ROWS = 1_000;
/** Rows that one request passes over, at most about: 1.6 µs each. */
export const PASSED_MAX = 50_000;

/** The first rows of queues and states. */
const HEADS = `${withPairs(undefined, '$1')} select pair.queue, pair.state, head.inserted_at from pair cross join lateral
  (select jobs.inserted_at from @jobs as jobs where ${OF_PAIR} order by jobs.seq limit 1) as head`;

/**
 * Goes on behind a place ($3) in one queue and state, to the first row that was inserted when its time ($5) had come already:
 * a later one cannot have ended before. What was inserted after now ($6), by a clock that has been set back, says nothing.
 * Nor does it go further than there is room to delete ($7). No row behind is read: what stands in `with` is read as far as it
 * is asked for. A row that somebody changes meanwhile is left to the next pass.
 */
const WALK = `with near as materialized (
    select at, seq, due, late, row_number() over ahead as nth, count(*) filter (where due) over ahead as dues
    from (select jobs.ctid as at, jobs.seq, jobs.finished_at < $5 as due, jobs.inserted_at between $5 and $6 as late
      from @jobs as jobs where jobs.queue = $1 and jobs.state = $2 and ${HAS_PLACE} and jobs.seq > $3
      order by jobs.seq limit $4) as jobs
    window ahead as (rows unbounded preceding)),
  cut as materialized (select nth - 1 as rows, late from near where late or dues > $7 limit 1),
  walked as materialized (select at, seq, due from near limit coalesce((select rows from cut), $4)),
  gone as (delete from @jobs as jobs where jobs.ctid = any(array(select at from walked where due))
    and jobs.state = $2 and jobs.finished_at < $5 returning 1)
  select (select count(*) from gone), (select count(*) from walked), (select max(seq) from walked), late::integer
    from (select 1) as one left join cut on true`;

/** A worker's name stays as long as rows may speak of it: they were all inserted before its last sign of life. What executes
 * has its worker's key. */
const FORGET_WORKERS = `delete from @workers as known
  where seen_at < $2 and seen_at < least($2, (select min(oldest.inserted_at) from (${HEADS}) as oldest),
      (select jobs.inserted_at from @jobs as jobs where ${IS_AVAILABLE} order by jobs.seq limit 1))
    and not exists (select 1 from @jobs as jobs where jobs.runner = known.key and jobs.state = 'executing')`;

/**
 * Deletes terminal rows past their time, at most `limit`, and forgets old workers, nodes and rejected messages. A row that
 * ended at or after the oldest fact that is not known to be out stays: cheaper than asking for each row, and never too
 * early.
 *
 * No index says when rows ended. Each queue and state is walked in order of insertion, in turn, up to the first row that was
 * inserted less than its time ago: what is behind has ended later than that, but for differences of clocks, by which it is
 * pruned later. So nearly all that is read is deleted. Rows that were inserted long ago and ended lately, for they were
 * scheduled far ahead or retried, are passed over, some at each request: the next one goes on where it stopped, and after the
 * end it begins anew. A row may so be late by the time that it takes to walk all of them. Less than `limit` are deleted when
 * there are no more, or so many were passed over.
 */
export const prune: Verb<'prune'> = oneByOne(async (tx, { options }: Asked<'prune'>) => {
  const { now, limit } = options;
  const pruned = await pruneJobs(tx, options);
  // Not beside each step of many.
  if (pruned >= limit) return { pruned };
  const old = now - FORGET_AFTER_MS;
  await tx.signs.catchUp(tx, old);
  await tx.run(FORGET_WORKERS, [words(PLACED_STATES), old]);
  tx.signs.forget(old);
  await tx.run('delete from @nodes where seen_at < $1', [old]);
  await pruneRejected(tx, now);
  return { pruned };
});

/** When what is past its time in each state has ended before. */
type Lines = ReadonlyMap<JobState, number>;

async function pruneJobs(tx: Transaction, { now, keepMs, limit }: StoreOptions<'prune'>): Promise<number> {
  const unannouncedAt = (await tx.outbox.oldestAt(tx)) ?? Number.MAX_SAFE_INTEGER;
  const lines: Lines = new Map(
    TERMINAL_STATES.map((state) => [state, Math.min(now - keepMs[state] + 1, unannouncedAt)]),
  );
  const { pairs, goesOn } = tx.prunes.turns();
  const turns = goesOn ? [...pairs] : await turnsAfter(tx, pairs, { lines, now });
  let pruned = 0;
  for (let passed = 0; pruned < limit && passed < PASSED_MAX; ) {
    const pair = turns.shift();
    if (pair === undefined) break;
    const step = await walk(tx, pair, { endedBefore: lines.get(pair.state), now, room: limit - pruned });
    pruned += step.deleted;
    passed += step.passed;
    tx.prunes.reached(pair, step.reached);
    if (step.reached !== undefined) turns.push(pair);
  }
  tx.prunes.leave(turns, pruned >= limit);
  return pruned;
}

/** Those whose turn was next, and then all others that have something old. */
async function turnsAfter(
  tx: Transaction,
  next: readonly Pair[],
  { lines, now }: { lines: Lines; now: number },
): Promise<Pair[]> {
  const rows = await tx.lists(HEADS, [words(TERMINAL_STATES)]);
  const heads = rows.map(([queue, state, at]) => ({ queue: text(queue), state: stateOf(state), at: integer(at) }));
  const old = heads.filter(({ state, at }) => at < (lines.get(state) ?? 0) || at > now);
  const named = new Set(next.map(nameOf));
  return [...next, ...old.filter((pair) => !named.has(nameOf(pair)))];
}

/** What a step came to; `reached` is undefined where the walk is over. */
interface Step {
  deleted: number;
  passed: number;
  reached: number | undefined;
}

async function walk(
  tx: Transaction,
  pair: Pair,
  { endedBefore, now, room }: { endedBefore: number | undefined; now: number; room: number },
): Promise<Step> {
  assert(endedBefore !== undefined, 'only what has ended is pruned');
  const after = tx.prunes.reachedIn(pair);
  const values = [pair.queue, pair.state, after, STEP_ROWS, endedBefore, now, room];
  const [row] = await tx.lists(WALK, values);
  const [deleted, walked] = [integer(row?.[0]), integer(row?.[1])];
  const [last, cutAt] = [integerOrNull(row?.[2] ?? null), integerOrNull(row?.[3] ?? null)];
  const over = cutAt === null ? walked < STEP_ROWS : cutAt === LATE;
  return { deleted, passed: walked - deleted, reached: over ? undefined : (last ?? after) };
}
