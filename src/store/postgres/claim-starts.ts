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
  /** How often something was put in line before a start. */
  #changes = 0;

  get changes(): number {
    return this.#changes;
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

  /** These came in line. Equal times say nothing of the order, so that claims begin before them too. */
  inserted(jobs: readonly Pick<NewJob, 'queue' | 'priority' | 'scheduledAt'>[]): void {
    if (this.#starts.size === 0) return;
    for (const { queue, priority, scheduledAt } of jobs) {
      for (const start of this.#starts.get(queue)?.values() ?? []) {
        if (!isBefore({ priority, scheduledAt }, start.place)) continue;
        start.place = { priority, scheduledAt, seq: 0 };
        this.#changes += 1;
      }
    }
  }

  /** Anything may be anywhere in line: each claim looks from the head. */
  forget(): void {
    this.#starts.clear();
    this.#changes += 1;
  }
}

const isBefore = (a: Omit<ClaimPlace, 'seq'>, b: ClaimPlace): boolean =>
  a.priority < b.priority || (a.priority === b.priority && a.scheduledAt <= b.scheduledAt);

/** What the claims of one group know of where to begin, which others know once it has committed. */
export class GroupStarts {
  readonly #book: ClaimStarts;
  readonly #changes: number;
  readonly #now: number;
  readonly #reached = new Map<string, { queue: string; types: string; start: Start | undefined }>();
  #disturbed = false;

  /** @param now when the group's transaction began, in milliseconds of the database */
  constructor(book: ClaimStarts, now: number) {
    this.#book = book;
    this.#changes = book.changes;
    this.#now = now;
  }

  /** Where a claim of these types (all: null) may begin; undefined: at the head. */
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

  /** The transaction has committed, and put these in line; undefined: who knows what. */
  committed(lining: readonly NewJob[] | undefined): void {
    if (this.#disturbed || lining === undefined) {
      this.#book.forget();
      return;
    }
    // What came in line meanwhile may be before the place that was reached.
    const still = this.#book.changes === this.#changes;
    for (const { queue, types, start } of this.#reached.values()) {
      this.#book.reached(queue, types, still ? start : undefined);
    }
    this.#book.inserted(lining);
  }

  #startOf(queue: string, types: string): Start | undefined {
    const mine = this.#reached.get(`${queue} ${types}`);
    if (mine !== undefined) return mine.start;
    return this.#disturbed ? undefined : this.#book.of(queue, types, this.#now);
  }
}

const nameOf = (types: readonly string[] | undefined): string => types?.join(' ') ?? '*';
