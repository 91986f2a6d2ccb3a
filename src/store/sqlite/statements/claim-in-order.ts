import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import { integer, text } from '../../cell.ts';
import type { FreshJob } from '../fresh-jobs.ts';
import { allows, type ListStatement, limitOf, type StoreWorld } from '../verb.ts';

type ListRow = SQLOutputValue[];

/** What of a queue without partitions is claimed. */
export interface OrderedPick {
  now: number;
  queue: string;
  /** Rows that are wanted. */
  limit: number;
  /** Only these types; all when left out. */
  types: readonly string[] | undefined;
}

/** What puts rows in the order of claims, by (priority, scheduledAt, insertion). */
export type PutInOrder = (rows: Iterable<ListRow>) => ListRow[];

/** So many unclaimable jobs at the head, without a claimable one among them, are worth setting aside: a walk past 10 µs. */
const IN_THE_WAY = 64;
/** Places of one claim in which others' jobs are set aside, at most: 4 µs a job. */
const ASIDE_STEP_MAX = 10_000;

/**
 * Picks jobs of a queue in order. What a worker cannot run it walks past, 0.15 µs a job: nothing where types are mixed,
 * 15 ms where 100,000 of a type that nobody takes stand at the head. Those are set aside, some at each claim, into an
 * index by type, and are found there by who can run them.
 */
export class OrderedPicker {
  readonly #world: StoreWorld;
  readonly #inOrder: PutInOrder;
  readonly #all: ListStatement;
  readonly #ofTypes: ListStatement;
  readonly #aside: ListStatement;
  readonly #head: ListStatement;
  readonly #next: ListStatement;
  readonly #setAside: StatementSync;
  /** Not all that was last looked for was remembered. */
  #wasUnknown = false;

  /** @param columns of a row */
  constructor(world: StoreWorld, columns: string, inOrder: PutInOrder) {
    this.#world = world;
    this.#inOrder = inOrder;
    const head = `from jobs indexed by jobs_claim where queue = ?1 and ${allows('claim')} and aside is null`;
    // What is past its deadline is passed over here, and expired by the janitor.
    const alive = '(deadline_at is null or deadline_at > ?2)';
    const order = 'order by priority, scheduled_at, seq';
    this.#all = world.lists(`select ${columns} ${head} and ${alive} ${order} ${limitOf('?3')}`);
    this.#ofTypes = world.lists(
      `select ${columns} ${head} and ${alive} and type in (select value from json_each(?4)) ${order} ${limitOf('?3')}`,
    );
    this.#aside = world.lists(`select ${columns} from jobs indexed by jobs_aside
      where queue = ?1 and type = ?4 and ${allows('claim')} and aside is not null and ${alive} ${order} ${limitOf('?3')}`);
    this.#head = world.lists(`select seq, type ${head} ${order} ${limitOf('?2')}`);
    // Of the index alone: what it does not have is known of those that are remembered.
    this.#next = world.lists(`select seq ${head} ${order} ${limitOf('?2')}`);
    this.#setAside = world.rows('update jobs set aside = 1 where seq in (select value from json_each(?))');
  }

  /** Rows that may be claimed, in order. */
  pick({ now, queue, limit, types }: OrderedPick): ListRow[] {
    const rows =
      types === undefined
        ? this.#all.all(queue, now, limit)
        : this.#ofTypes.all(queue, now, limit, JSON.stringify(types));
    const aside = this.#world.queues.aside.of(queue);
    if (aside === undefined) return rows;
    const more = [...aside].filter((type) => types?.includes(type) ?? true);
    if (more.length === 0) return rows;
    for (const type of more) rows.push(...this.#aside.all(queue, now, limit, type));
    return this.#inOrder(rows).slice(0, limit);
  }

  /**
   * What {@link pick} would find, if all of it was just inserted: what is remembered of it, without a look at the rows
   * (measured, 0.6 µs a job instead of 2).
   */
  pickFresh({ queue, limit, types }: Omit<OrderedPick, 'now'>): FreshJob[] | undefined {
    const { fresh, queues } = this.#world;
    if (fresh.size === 0 || queues.aside.of(queue) !== undefined) return undefined;
    const next = (count: number) => fresh.at(this.#next.all(queue, count).map(([seq]) => integer(seq)));
    // With a backlog it mostly is so again, and all but the first would be read in vain.
    const jobs = this.#wasUnknown && next(1) === undefined ? undefined : next(limit);
    this.#wasUnknown = jobs === undefined;
    return jobs?.every(({ alike }) => types?.includes(alike.type) ?? true) ? jobs : undefined;
  }

  /** Sets jobs aside that stand in the way of a claim of some types. */
  clear(queue: string, types: readonly string[]): void {
    const [first] = this.#head.all(queue, 1);
    if (first === undefined || types.includes(text(first[1]))) return;
    const wanted = new Set(types);
    const isOthers = (row: ListRow): boolean => !wanted.has(text(row[1]));
    const near = this.#head.all(queue, IN_THE_WAY);
    if (near.length < IN_THE_WAY || !near.every(isOthers)) return;
    const others = this.#head.all(queue, ASIDE_STEP_MAX).filter(isOthers);
    this.#world.queues.aside.add(queue, new Set(others.map(([, type]) => text(type))));
    this.#setAside.run(JSON.stringify(others.map(([seq]) => integer(seq))));
  }
}
