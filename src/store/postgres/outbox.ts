import { isTerminalFact, type JobFact } from '../../job/job-event.ts';
import { type Cell, integer, jsonList, text } from '../cell.ts';
import type { PlaceRun } from '../job-store.ts';
import { packFacts, unpackFacts } from '../packed-facts.ts';
import { jsonTexts, numbers } from './sql-list.ts';
import type { Transaction } from './transaction.ts';

/** A row of the outbox takes no more facts than this, and no more once their results have this many characters. */
const ROW_FACTS_MAX = 500;
const ROW_RESULT_LENGTH_MAX = 64 * 1024;

/** A fact's place is its row's number times this and its place in the row. */
const ROW_PLACES = 1_024;

/** How long a row is its owner's alone to announce, in milliseconds. */
const OWNED_MS = 10_000;

/** Rows that are read at a time. */
const STEP_ROWS = 32;

/** A run of places in one row, both ends included. */
type Run = readonly [from: number, to: number];

/**
 * Terminal facts that are not known to be out, of one group. Written in the transaction that made them true, many to a
 * row, so that a job costs a few bytes and no insert of its own. Several stores have theirs in one table: each row is
 * announced by who wrote it, and by another one only when the first gave no sign for {@link OWNED_MS}.
 */
export class Outbox {
  #pending: JobFact[] = [];

  /** Takes the terminal ones of a request's facts; they have their places once they are written. */
  keep(facts: readonly JobFact[]): void {
    for (const fact of facts) if (isTerminalFact(fact.what)) this.#pending.push(fact);
  }

  /** Forgets what was kept: it was rolled back. */
  drop(): void {
    this.#pending = [];
  }

  /** Writes what was kept, inside the group's transaction, and gives the facts their places. */
  async flush(tx: Transaction): Promise<void> {
    if (this.#pending.length === 0) return;
    const rows = rowsOf(this.#pending);
    this.#pending = [];
    const blocks = await tx.lists(
      `insert into @outbox (owner, taken_until, oldest_at, places, facts)
        select $1, $2, * from unnest($3::bigint[], $4::integer[], string_to_array($5, chr(31)))
        returning block`,
      [
        tx.owner,
        tx.now + OWNED_MS,
        numbers(rows.map((row) => row.reduce((at, fact) => Math.min(at, fact.at), row[0]?.at ?? 0))),
        numbers(rows.map((row) => row.length)),
        jsonTexts(rows, packFacts),
      ],
    );
    for (const [index, row] of rows.entries()) {
      const first = integer(blocks[index]?.[0]) * ROW_PLACES;
      for (const [place, fact] of row.entries()) fact.outboxSeq = first + place;
    }
  }

  /** Facts after a place, oldest first: this store's own, and those that nobody else may be announcing. */
  async after(tx: Transaction, seq: number, limit: number): Promise<JobFact[]> {
    await this.flush(tx);
    const facts: JobFact[] = [];
    const taken: number[] = [];
    for (let block = Math.floor(seq / ROW_PLACES); facts.length < limit; ) {
      const rows = await tx.lists(
        `select block, places, gone, taken_until, facts from @outbox
          where block >= $1 and (owner = $2 or taken_until < $3) order by block limit ${STEP_ROWS}`,
        [block, tx.owner, tx.now],
      );
      for (const row of rows) {
        if (facts.length >= limit) break;
        for (const fact of factsOf(row)) {
          if ((fact.outboxSeq ?? 0) > seq && facts.length < limit) facts.push(fact);
        }
        block = integer(row[0]) + 1;
        if (integer(row[3]) < tx.now + OWNED_MS / 2) taken.push(integer(row[0]));
      }
      if (rows.length < STEP_ROWS) break;
    }
    if (taken.length > 0) await this.#take(tx, taken);
    return facts;
  }

  async #take(tx: Transaction, blocks: readonly number[]): Promise<void> {
    await tx.run(
      `update @outbox set owner = $1, taken_until = $2 where block in
        (select block from @outbox where block = any($3::bigint[]) order by block for update skip locked)`,
      [tx.owner, tx.now + OWNED_MS, numbers(blocks)],
    );
  }

  /** Forgets the facts of these runs of places. Of a row that is only partly meant the rest stays. */
  async forget(tx: Transaction, places: readonly PlaceRun[]): Promise<void> {
    await this.flush(tx);
    const bounds = [numbers(places.map(({ from }) => from)), numbers(places.map(({ to }) => to))];
    const whole = await tx.lists(
      `delete from @outbox using unnest($1::bigint[], $2::bigint[]) as run (low, high)
        where block >= low / ${ROW_PLACES} and block <= high / ${ROW_PLACES}
          and block * ${ROW_PLACES} >= low and block * ${ROW_PLACES} + places - 1 <= high
        returning places`,
      bounds,
    );
    const meant = places.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    // Nearly always whole rows are meant.
    if (whole.reduce((sum, [count]) => sum + integer(count), 0) === meant) return;
    const rest = await tx.lists(
      `select block, places, gone, low, high from @outbox
          join unnest($1::bigint[], $2::bigint[]) as run (low, high)
            on block in (low / ${ROW_PLACES}, high / ${ROW_PLACES})
              and block * ${ROW_PLACES} <= high and block * ${ROW_PLACES} + places - 1 >= low
        order by block for update of outbox`,
      bounds,
    );
    const gone = new Map<number, { places: number; runs: Run[] }>();
    for (const [block, count, before, low, high] of rest) {
      const first = integer(block) * ROW_PLACES;
      const row = gone.get(integer(block)) ?? { places: integer(count), runs: jsonList<Run>(before) };
      row.runs.push([Math.max(0, integer(low) - first), Math.min(row.places - 1, integer(high) - first)]);
      gone.set(integer(block), row);
    }
    for (const [block, { places: count, runs }] of gone) {
      const left = Array.from({ length: count }, (_, place) => place).some((place) => !isGone(runs, place));
      if (left) await tx.run('update @outbox set gone = $2 where block = $1', [block, JSON.stringify(runs)]);
      else await tx.run('delete from @outbox where block = $1', [block]);
    }
  }

  /** When the oldest fact that is not known to be out became true, in milliseconds since the epoch. */
  async oldestAt(tx: Transaction): Promise<number | null> {
    await this.flush(tx);
    const [row] = await tx.lists('select oldest_at from @outbox order by oldest_at limit 1');
    return row === undefined ? null : integer(row[0]);
  }
}

const isGone = (runs: readonly Run[], place: number): boolean =>
  runs.some(([from, to]) => from <= place && place <= to);

/** As many facts to a row as fit; results may be large, so they are weighed. */
function rowsOf(facts: readonly JobFact[]): JobFact[][] {
  const rows: JobFact[][] = [];
  let row: JobFact[] = [];
  let length = 0;
  for (const fact of facts) {
    if (row.length === 0) rows.push(row);
    row.push(fact);
    if (fact.result !== undefined) length += JSON.stringify(fact.result).length;
    if (row.length < ROW_FACTS_MAX && length < ROW_RESULT_LENGTH_MAX) continue;
    row = [];
    length = 0;
  }
  return rows;
}

function factsOf([block, places, gone, , facts]: readonly Cell[]): JobFact[] {
  const firstSeq = integer(block) * ROW_PLACES;
  const runs = jsonList<Run>(gone);
  const all = unpackFacts(text(facts), { firstSeq, lastSeq: firstSeq + integer(places) - 1 });
  return runs.length === 0 ? all : all.filter((_, place) => !isGone(runs, place));
}
