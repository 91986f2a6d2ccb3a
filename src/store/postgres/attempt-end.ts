import type { Settlement } from '../../job/settlement.ts';
import { type AttemptRow, OUTCOMES, terminateAfter } from '../attempt-row.ts';
import { filledCell, jsonCell } from '../cell.ts';
import { type EndOptions, endRow } from '../ended-row.ts';
import { numbers, texts, words } from './sql-list.ts';
import type { Transaction } from './transaction.ts';

const WRITE = `update @jobs as jobs set state = ended.state, attempt = ended.attempt, scheduled_at = ended.scheduled_at,
    finished_at = coalesce(ended.finished_at, jobs.finished_at), errors = ended.errors, result = ended.result,
    terminate = ended.terminate, settled_as = coalesce(ended.settled_as, jobs.settled_as),
    settled_run = case when ended.settled_as is null then jobs.settled_run else jobs.run end, missed_at = null, aside = null
  from unnest($1::uuid[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
      $8::smallint[], $9::smallint[])
    as ended (id, state, attempt, scheduled_at, finished_at, errors, result, terminate, settled_as)
  where jobs.id = ended.id`;

/** Writes what `job/` decided about jobs whose rows are locked: gathered, and as one statement at {@link flush}. */
export class AttemptEnd {
  readonly #waiting = new Map<string, { row: AttemptRow; settledAs: number | null }>();

  /** Takes one settlement, tells its fact, and brings the row that was read up to date. */
  write(row: AttemptRow, settlement: Settlement, options: EndOptions): void {
    const { as } = options;
    row.terminate = terminateAfter(row, options.terminate);
    const before = this.#waiting.get(row.id)?.settledAs ?? null;
    endRow(row, settlement, options);
    this.#waiting.set(row.id, { row, settledAs: as === null ? before : OUTCOMES.indexOf(as) });
  }

  /** Writes what was gathered. Every verb that ends attempts ends with it. */
  async flush(tx: Transaction): Promise<void> {
    if (this.#waiting.size === 0) return;
    const ended = [...this.#waiting.values()];
    this.#waiting.clear();
    if (ended.some(({ row }) => row.state === 'available')) tx.starts.disturb();
    await tx.run(WRITE, [
      words(ended.map(({ row }) => row.id)),
      texts(ended.map(({ row }) => row.state)),
      numbers(ended.map(({ row }) => row.attempt)),
      numbers(ended.map(({ row }) => row.scheduledAt)),
      numbers(ended.map(({ row }) => row.finishedAt)),
      texts(ended.map(({ row }) => filledCell(row.errors))),
      texts(ended.map(({ row }) => jsonCell(row.result))),
      numbers(ended.map(({ row }) => (row.terminate === null ? null : Number(row.terminate)))),
      numbers(ended.map(({ settledAs }) => settledAs)),
    ]);
  }
}
