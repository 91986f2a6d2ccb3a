import type { NewJob } from '../../job/job.ts';
import type { Claimed } from './claimed-jobs.ts';
import { type Came, type FreshJobs, type FreshLine, FreshLines } from './fresh-lines.ts';

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
  /** What is known to be next. */
  readonly lines = new FreshLines();
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

  /** Whether a group whose transaction is under way puts a job in line. */
  isComing(id: string): boolean {
    return [...this.#open].some(({ fresh }) => fresh.some(({ ids }) => ids.includes(id)));
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
      this.lines.giveUpAll();
      for (const other of this.#open) other.forget();
      return;
    }
    const came = {
      lining: byQueue(lining),
      fresh: group.fresh,
      left: group.left,
      taken: group.taken,
      takenFresh: group.takenFresh,
    };
    this.lines.came(came);
    for (const other of this.#open) other.came(came);
    for (const [queue, jobs] of came.lining) {
      const first = firstOf(jobs);
      for (const start of this.#starts.get(queue)?.values() ?? []) lower(start, first);
    }
  }
}

function byQueue(jobs: readonly NewJob[]): Map<string, NewJob[]> {
  const lists = new Map<string, NewJob[]>();
  for (const job of jobs) {
    const list = lists.get(job.queue);
    if (list === undefined) lists.set(job.queue, [job]);
    else list.push(job);
  }
  return lists;
}

/** The place before all of some jobs. Equal times say nothing of the order. */
function firstOf(jobs: readonly NewJob[]): ClaimPlace {
  const first = { priority: Number.POSITIVE_INFINITY, scheduledAt: 0, seq: 0 };
  for (const { priority, scheduledAt } of jobs) {
    if ((priority - first.priority || scheduledAt - first.scheduledAt) >= 0) continue;
    first.priority = priority;
    first.scheduledAt = scheduledAt;
  }
  return first;
}

const isBefore = (a: ClaimPlace, b: ClaimPlace): boolean =>
  (a.priority - b.priority || a.scheduledAt - b.scheduledAt || a.seq - b.seq) < 0;

function lower(start: Start, place: ClaimPlace): void {
  if (isBefore(place, start.place)) start.place = place;
}

/** What a claim in order came to. */
export interface InOrder {
  jobs: readonly Claimed[];
  /** How many it asked for. */
  room: number;
  /** How many it found and holds, of which it took those that fit. */
  picked: number;
  /** Whether it looked from the head. */
  fromHead: boolean;
}

const placeOf = (last: Claimed | undefined): ClaimPlace | undefined =>
  last && { seq: last.seq, priority: last.job.priority, scheduledAt: last.job.scheduledAt };

/** What the claims of one group know of where to begin and of what is next, which others know once it has committed. */
export class GroupStarts {
  readonly #book: ClaimStarts;
  readonly #now: number;
  readonly #reached = new Map<string, { queue: string; types: string; start: Start | undefined }>();
  /** The first place of what this group has put in line, by queue and then by type. */
  readonly #own = new Map<string, Map<string, ClaimPlace>>();
  readonly #lining: NewJob[] = [];
  /** What other groups put in line meanwhile. */
  readonly #came: Came[] = [];
  /** Claims that left nothing of what waits. */
  readonly #exhausted = new Map<string, { queue: string; types: readonly string[] | undefined }>();
  /** Jobs that this group has put in line and knows. */
  readonly fresh: FreshJobs[] = [];
  /** The ids of jobs that each of its claims found in the table, and took from a line. */
  readonly taken: string[][] = [];
  readonly takenFresh: string[][] = [];
  /** Queues of which its claims hold more than they took: others passed over that, and it waits again after the commit. */
  readonly left = new Set<string>();
  /** What is known is of no use: jobs were put in line wherever their place is. */
  #forgotten = false;
  #disturbed = false;

  constructor(book: ClaimStarts, now: number) {
    this.#book = book;
    this.#now = now;
  }

  /** Where a claim of these types (all: undefined) may begin; undefined: at the head. */
  of(queue: string, types: readonly string[] | undefined): ClaimPlace | undefined {
    const place = this.#startOf(queue, nameOf(types))?.place;
    const own = this.ownFirst(queue, types);
    return place !== undefined && own !== undefined && isBefore(own, place) ? own : place;
  }

  /** This group inserts jobs: its own claims see them, in their place. */
  puts(jobs: readonly NewJob[]): void {
    for (const job of jobs) {
      const { state, queue, type, priority, scheduledAt } = job;
      if (state !== 'available') continue;
      this.#lining.push(job);
      const firsts = this.#own.get(queue) ?? new Map<string, ClaimPlace>();
      const first = firsts.get(type);
      if (first !== undefined && (first.priority - priority || first.scheduledAt - scheduledAt) <= 0) continue;
      firsts.set(type, { priority, scheduledAt, seq: 0 });
      this.#own.set(queue, firsts);
    }
  }

  /** The place before all that this group has put in line of these types; undefined: it has put nothing there. */
  ownFirst(queue: string, types: readonly string[] | undefined): ClaimPlace | undefined {
    let first: ClaimPlace | undefined;
    for (const [type, place] of this.#own.get(queue) ?? []) {
      if (types?.includes(type) === false) continue;
      if (first === undefined || isBefore(place, first)) first = place;
    }
    return first;
  }

  /** Notes what a claim in order came to. */
  claimed(queue: string, types: readonly string[] | undefined, { jobs, room, picked, fromHead }: InOrder): void {
    const named = nameOf(types);
    const lookedAt = fromHead ? this.#now : this.#startOf(queue, named)?.lookedAt;
    const last = jobs.length === room ? placeOf(jobs.at(-1)) : undefined;
    const start = last === undefined || lookedAt === undefined ? undefined : { place: last, lookedAt };
    this.#reached.set(`${queue} ${named}`, { queue, types: named, start });
    if (jobs.length > 0) this.taken.push(jobs.map(({ job }) => job.id));
    if (picked > jobs.length) this.left.add(queue);
    else if (fromHead && picked < room) this.#exhausted.set(`${queue} ${named}`, { queue, types });
  }

  /** What is known to be next of these types; undefined: nothing is known. */
  line(queue: string, types: readonly string[] | undefined): FreshLine | undefined {
    return this.#disturbed ? undefined : this.#book.lines.of(queue, nameOf(types));
  }

  /** Whether this group or another one of this store, whose transaction is under way, puts a job in line. */
  isComing(id: string): boolean {
    return this.#book.isComing(id);
  }

  /** What another store put in line was found in a queue, or must be thought to be there. */
  giveUpLine(queue: string): void {
    this.#book.lines.giveUp(queue);
  }

  /** This group puts jobs in line that were there before, wherever their place is. */
  disturb(): void {
    this.#disturbed = true;
    this.#reached.clear();
  }

  /** Another group has committed. */
  came(came: Came): void {
    this.#came.push(came);
  }

  /** Another group has put jobs in line that were there before, or may have. */
  forget(): void {
    this.#forgotten = true;
  }

  /** The transaction has committed. @param isKnown whether it put nothing else in line than it said */
  committed(isKnown: boolean): void {
    for (const { queue, types, start } of this.#reached.values()) {
      for (const { lining } of this.#came) if (start !== undefined) lower(start, firstOf(lining.get(queue) ?? []));
      this.#book.reached(queue, types, this.#forgotten ? undefined : start);
    }
    const known = { now: this.#now, taken: [...this.taken, ...this.takenFresh], since: this.#came };
    for (const { queue, types } of this.#exhausted.values()) {
      if (this.#forgotten || this.left.has(queue)) continue;
      this.#book.lines.open(queue, types, { name: nameOf(types), ...known });
    }
    this.#book.close(this, this.#disturbed || !isKnown ? undefined : this.#lining);
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
