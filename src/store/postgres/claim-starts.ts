import type { NewJob } from '../../job/job.ts';

/** A job's place in the order of claims. */
export interface ClaimPlace {
  priority: number;
  scheduledAt: number;
  seq: number;
}

/** How long claims may begin where an earlier one stopped before one looks from the head again, in milliseconds. */
const LOOK_EVERY_MS = 100;

interface Start {
  place: ClaimPlace;
  /** When a claim last looked from the head, in milliseconds of the database. */
  lookedAt: number;
}

/**
 * Where claims may begin: behind the last job that one took which got all that it asked for. A job that was claimed leaves
 * a dead entry at the head of its index until the next vacuum, and a claim from the head walks past all of them: after
 * 100,000 jobs 0.7 ms, twice what it takes to find 334.
 *
 * What this store puts in line is known when it commits, so no claim begins behind it. What another store of the same
 * database does is found when a claim gets nothing, and at most {@link LOOK_EVERY_MS} later where it goes before others.
 */
export class ClaimStarts {
  /** By queue, then by the types that are claimed. */
  readonly #starts = new Map<string, Map<string, Start>>();
  /** Groups whose transaction is under way. */
  readonly #open = new Set<GroupStarts>();

  /**
   * Begins a group.
   * @param now when its transaction began, in milliseconds of the database
   */
  group(now: number): GroupStarts {
    const group = new GroupStarts(this, now);
    this.#open.add(group);
    return group;
  }

  /** Where a claim may begin; undefined: at the head. */
  of(queue: string, types: string, now: number): Start | undefined {
    const start = this.#starts.get(queue)?.get(types);
    if (start === undefined || now < start.lookedAt || now - start.lookedAt >= LOOK_EVERY_MS) return undefined;
    return start;
  }

  /** Notes how far a claim came; undefined: not all that it asked for was there. */
  reached(queue: string, types: string, start: Start | undefined): void {
    const starts = this.#starts.get(queue) ?? new Map<string, Start>();
    if (start === undefined) starts.delete(types);
    else starts.set(types, start);
    if (starts.size > 0) this.#starts.set(queue, starts);
    else this.#starts.delete(queue);
  }

  /** A group is over and has put these in line; undefined: anything may be anywhere, each claim looks from the head. */
  close(group: GroupStarts, lining: readonly NewJob[] | undefined): void {
    this.#open.delete(group);
    if (lining === undefined) {
      this.#starts.clear();
      for (const other of this.#open) other.forget();
      return;
    }
    for (const [queue, first] of firstsOf(lining)) {
      for (const start of this.#starts.get(queue)?.values() ?? []) lower(start, first);
      for (const other of this.#open) other.came(queue, first);
    }
  }
}

/** Of each queue the place before all of these jobs. Equal times say nothing of the order. */
function firstsOf(jobs: readonly NewJob[]): Map<string, ClaimPlace> {
  const firsts = new Map<string, ClaimPlace>();
  for (const { queue, priority, scheduledAt } of jobs) {
    const first = firsts.get(queue);
    const later = first === undefined ? -1 : priority - first.priority || scheduledAt - first.scheduledAt;
    if (later < 0) firsts.set(queue, { priority, scheduledAt, seq: 0 });
  }
  return firsts;
}

const isBefore = (a: ClaimPlace, b: ClaimPlace): boolean =>
  (a.priority - b.priority || a.scheduledAt - b.scheduledAt || a.seq - b.seq) < 0;

function lower(start: Start, place: ClaimPlace): void {
  if (isBefore(place, start.place)) start.place = place;
}

/** What the claims of one group know of where to begin, which others know once it has committed. */
export class GroupStarts {
  readonly #book: ClaimStarts;
  readonly #now: number;
  readonly #reached = new Map<string, { queue: string; types: string; start: Start | undefined }>();
  /** The first place of each queue that others put something in meanwhile. */
  readonly #came = new Map<string, ClaimPlace>();
  /** What is known is of no use: jobs were put in line wherever their place is. */
  #forgotten = false;
  #disturbed = false;

  constructor(book: ClaimStarts, now: number) {
    this.#book = book;
    this.#now = now;
  }

  /** Where a claim of these types (all: undefined) may begin; undefined: at the head. */
  of(queue: string, types: readonly string[] | undefined): ClaimPlace | undefined {
    return this.#startOf(queue, nameOf(types))?.place;
  }

  /** Notes the last job of a claim that got all that it asked for (undefined: it did not), and whether it began at the head. */
  reached(
    queue: string,
    types: readonly string[] | undefined,
    { last, fromHead }: { last: ClaimPlace | undefined; fromHead: boolean },
  ): void {
    const named = nameOf(types);
    const lookedAt = fromHead ? this.#now : this.#startOf(queue, named)?.lookedAt;
    const start = last === undefined || lookedAt === undefined ? undefined : { place: last, lookedAt };
    this.#reached.set(`${queue} ${named}`, { queue, types: named, start });
  }

  /** This group puts jobs in line that were there before, wherever their place is. */
  disturb(): void {
    this.#disturbed = true;
    this.#reached.clear();
  }

  /** Another group has put something in line. */
  came(queue: string, first: ClaimPlace): void {
    const before = this.#came.get(queue);
    if (before === undefined || isBefore(first, before)) this.#came.set(queue, first);
  }

  /** Another group has put jobs in line that were there before, or may have. */
  forget(): void {
    this.#forgotten = true;
  }

  /** The transaction has committed, and put these in line; undefined: who knows what. */
  committed(lining: readonly NewJob[] | undefined): void {
    for (const { queue, types, start } of this.#reached.values()) {
      const came = this.#came.get(queue);
      if (start !== undefined && came !== undefined) lower(start, came);
      this.#book.reached(queue, types, this.#forgotten ? undefined : start);
    }
    this.#book.close(this, this.#disturbed ? undefined : lining);
  }

  /** The transaction was rolled back, or may have been: what it took from the head of a queue is there again. */
  failed(): void {
    this.#book.close(this, undefined);
  }

  #startOf(queue: string, types: string): Start | undefined {
    const mine = this.#reached.get(`${queue} ${types}`);
    if (mine !== undefined) return mine.start;
    return this.#disturbed ? undefined : this.#book.of(queue, types, this.#now);
  }
}

const nameOf = (types: readonly string[] | undefined): string => types?.join(' ') ?? '*';
