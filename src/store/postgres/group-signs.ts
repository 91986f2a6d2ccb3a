import { assert } from '../../kernel/error.ts';
import { integer, text } from '../cell.ts';
import type { StoreRequest } from '../job-store.ts';
import { numbers, texts } from './sql-list.ts';
import type { Transaction } from './transaction.ts';
import type { Sign, WorkerSigns } from './worker-signs.ts';

/** The workers' signs of life that came with one group. */
export class GroupSigns {
  readonly #book: WorkerSigns;
  /** Keys that this group's transaction gave or read, known to others once it has committed. */
  readonly #written = new Map<string, { key: number; seenAt: number }>();

  constructor(book: WorkerSigns) {
    this.#book = book;
  }

  /** Takes the signs of a group's requests, and writes those that are due, sorted, before anything else is locked. */
  async note(tx: Transaction, requests: readonly StoreRequest[]): Promise<void> {
    const due = new Map<string, Sign>();
    for (const request of requests) {
      for (const { worker, node } of signersOf(request)) {
        if (!('now' in request)) continue;
        const sign = this.#book.seen(worker, node, request.now);
        if (sign !== undefined) due.set(worker, sign);
      }
    }
    await this.#write(tx, due);
  }

  /** What rows of jobs name a worker by that has given a sign in this group. */
  keyOf(worker: string): number {
    const key = this.#written.get(worker)?.key ?? this.#book.keyOf(worker);
    assert(key !== undefined, 'a worker that gave a sign has a key');
    return key;
  }

  /** Writes the signs of this store without which the table would be wrong about who was seen before a time. */
  async catchUp(tx: Transaction, before: number): Promise<void> {
    await this.#write(tx, this.#book.behind(before));
  }

  /** Forgets workers without a sign since a time. */
  forget(before: number): void {
    this.#book.forget(before);
  }

  /** The transaction has committed: what it wrote is stored. */
  committed(): void {
    for (const [worker, { key, seenAt }] of this.#written) this.#book.stored(worker, key, seenAt);
  }

  async #write(tx: Transaction, signs: ReadonlyMap<string, Sign>): Promise<void> {
    if (signs.size === 0) return;
    const sorted = [...signs].sort(([a], [b]) => (a < b ? -1 : 1));
    // Of another store's row the newer sign stays; of one's own the last word counts, also after a step back of the clock.
    const rows = await tx.lists(
      `insert into @workers as known (worker, node, seen_at, owner)
        select worker, node, seen_at, $4 from unnest($1::text[], $2::text[], $3::bigint[]) as sign (worker, node, seen_at)
        on conflict (worker) do update set node = coalesce(excluded.node, known.node), owner = excluded.owner,
          seen_at = case when known.owner = excluded.owner then excluded.seen_at
            else greatest(known.seen_at, excluded.seen_at) end
        returning worker, key`,
      [
        texts(sorted.map(([worker]) => worker)),
        texts(sorted.map(([, { node }]) => node)),
        numbers(sorted.map(([, { seenAt }]) => seenAt)),
        tx.owner,
      ],
    );
    for (const [worker, key] of rows) {
      const name = text(worker);
      this.#written.set(name, { key: integer(key), seenAt: signs.get(name)?.seenAt ?? 0 });
    }
  }
}

/** Whose sign of life a request is. `node` is null where it does not say. */
function signersOf(request: StoreRequest): readonly { worker: string; node: string | null }[] {
  switch (request.verb) {
    case 'claim':
    case 'beat':
      return [{ worker: request.worker, node: request.node }];
    case 'settle':
      return [{ worker: request.worker, node: null }];
    case 'touch':
      return request.workers;
    default:
      return [];
  }
}
