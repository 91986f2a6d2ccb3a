import type { NewJob } from '../../job/job.ts';

/** Beyond so many jobs, or characters of args, a line is given up. */
const JOBS_MAX = 20_000;
const ARGS_LENGTH_MAX = 4 * 1024 * 1024;
/** How long jobs may be taken from a line before somebody looks what stands at its head, in milliseconds. */
const LOOK_EVERY_MS = 100;

/**
 * Waiting plain jobs that this store inserted with one statement, as lists in the order of claims: what each has of its own.
 * Args are JSON, so that who inserted a job and who runs it share no object. Times are milliseconds since the epoch.
 */
export interface FreshJobs {
  /** What they have in common. */
  alike: Pick<NewJob, 'queue' | 'type' | 'priority' | 'maxAttempts'>;
  ids: readonly string[];
  args: readonly string[];
  scheduledAts: readonly number[];
  insertedAts: readonly number[];
  /** The transaction that inserted them, as rows name it: a row that names another one was changed since. */
  xmin: string;
}

/** Jobs next to each other: those of a list from one on (`from`) to before another. */
export interface FreshRun {
  jobs: FreshJobs;
  from: number;
  to: number;
}

/** What is taken out of a line. */
export interface Taking {
  /** At most so many of at most so many bytes together, but the first always. */
  limit: number;
  bytesMax: number;
  bytesOf: (args: string, type: string) => number;
  /** None that comes after this place; undefined: all that there are. */
  before: Pick<NewJob, 'priority' | 'scheduledAt'> | undefined;
}

/** What a transaction that has committed put in line. */
export interface Came {
  /** By queue. */
  lining: ReadonlyMap<string, readonly NewJob[]>;
  /** What is known of them. */
  fresh: readonly FreshJobs[];
  /** The ids of jobs that its claims found in the table, and of those that they took from a line; each list of one claim. */
  taken: readonly (readonly string[])[];
  takenFresh: readonly (readonly string[])[];
  /** Queues of which its claims had hold of more than they took. */
  left: ReadonlySet<string>;
}

/**
 * What waits in a queue of the types that a claim takes, as far as this store knows: all that it inserted since such a claim
 * found nothing more. What is next is known, then, and what it is: a claim finds the rows by their ids, and need only see
 * that they wait as they were inserted. What other stores put in line is not here; who finds any of it gives the line up.
 */
export class FreshLine {
  readonly #types: ReadonlySet<string> | undefined;
  /** By priority, in the order of claims. */
  readonly #runs = new Map<number, FreshRun[]>();
  /** When the head was last looked at, in milliseconds of the database. */
  #lookedAt: number;
  /** What was taken, and its rows not yet found. */
  readonly #inHand = new Set<readonly FreshRun[]>();
  #size = 0;
  #argsLength = 0;

  constructor(types: readonly string[] | undefined, now: number) {
    this.#types = types && new Set(types);
    this.#lookedAt = now;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether the head of the queue must be looked at before more is taken. */
  isDue(now: number): boolean {
    const since = now - this.#lookedAt;
    return since < 0 || since >= LOOK_EVERY_MS;
  }

  /** The head was looked at; undefined: it must be before more is taken. */
  looked(now: number | undefined): void {
    this.#lookedAt = now ?? Number.NEGATIVE_INFINITY;
  }

  /**
   * Puts jobs of its queue in line that came together, those of its types, without those that were taken meanwhile. False
   * where not all of them are known, where their place among the others is not plain, or where there is no room.
   */
  come(lining: readonly NewJob[], fresh: readonly FreshJobs[], taken: readonly (readonly string[])[]): boolean {
    const known = fresh.reduce((sum, { ids }) => sum + ids.length, 0);
    if (known !== lining.length) return false;
    const gone = taken.length === 0 ? undefined : new Set(taken.flat());
    for (const jobs of fresh) {
      if (this.#types?.has(jobs.alike.type) === false) continue;
      const left = gone === undefined ? jobs : without(jobs, gone);
      if (left.ids.length > 0 && !this.#put({ jobs: left, from: 0, to: left.ids.length })) return false;
    }
    return this.#size <= JOBS_MAX && this.#argsLength <= ARGS_LENGTH_MAX;
  }

  /** Equal times: in the order of coming. */
  #put(run: FreshRun): boolean {
    const { priority } = run.jobs.alike;
    const runs = this.#runs.get(priority) ?? [];
    let at = runs.length;
    while (at > 0 && firstAt(runs[at - 1]) > firstAt(run)) at -= 1;
    if (at > 0 && lastAt(runs[at - 1]) > firstAt(run)) return false;
    if (at < runs.length && lastAt(run) > firstAt(runs[at])) return false;
    runs.splice(at, 0, run);
    this.#runs.set(priority, runs);
    this.#size += run.to - run.from;
    for (const args of run.jobs.args) this.#argsLength += args.length;
    return true;
  }

  /**
   * Takes the next jobs out of the line. Who takes says when it has found their rows ({@link found}).
   */
  take({ limit, bytesMax, bytesOf, before }: Taking): FreshRun[] {
    const taken: FreshRun[] = [];
    this.#inHand.add(taken);
    let [count, bytes] = [0, 0];
    for (const priority of [...this.#runs.keys()].sort((a, b) => a - b)) {
      if (before !== undefined && priority > before.priority) break;
      const until = priority === before?.priority ? before.scheduledAt : Number.POSITIVE_INFINITY;
      const runs = this.#runs.get(priority) ?? [];
      for (let run = runs[0]; run !== undefined; run = runs[0]) {
        const { jobs, from } = run;
        let to = from;
        for (; to < run.to && count < limit && (jobs.scheduledAts[to] ?? 0) <= until; to++) {
          const args = jobs.args[to] ?? '';
          bytes += bytesOf(args, jobs.alike.type);
          if (bytes > bytesMax && count > 0) break;
          count += 1;
          this.#argsLength -= args.length;
        }
        if (to > from) taken.push({ jobs, from, to });
        this.#size -= to - from;
        run.from = to;
        if (to < run.to) return taken;
        runs.shift();
      }
      this.#runs.delete(priority);
    }
    return taken;
  }

  /** The rows of what was taken are locked, or nobody looks for them any more. */
  found(taken: readonly FreshRun[]): void {
    this.#inHand.delete(taken);
  }

  /** The ids of what others than one who took these have in hand. */
  inHandBeside(mine: readonly FreshRun[]): string[] {
    return [...this.#inHand].filter((taken) => taken !== mine).flatMap(idsOf);
  }

  has(id: string): boolean {
    return [...this.#runs.values()].some((runs) => runs.some((run) => isIn(run, id)));
  }
}

const firstAt = (run: FreshRun | undefined): number => run?.jobs.scheduledAts[run.from] ?? 0;
const lastAt = (run: FreshRun | undefined): number => run?.jobs.scheduledAts[run.to - 1] ?? 0;

/** Whether a job is in a run. */
export function isIn({ jobs, from, to }: Readonly<FreshRun>, id: string): boolean {
  const at = jobs.ids.indexOf(id, from);
  return at >= 0 && at < to;
}

/** The ids of the jobs of some runs. */
export const idsOf = (runs: readonly FreshRun[]): string[] =>
  runs.flatMap(({ jobs, from, to }) => jobs.ids.slice(from, to));

function without(jobs: FreshJobs, gone: ReadonlySet<string>): FreshJobs {
  const { ids, args, scheduledAts, insertedAts } = jobs;
  const isLeft = (_: unknown, at: number): boolean => !gone.has(ids[at] ?? '');
  return {
    ...jobs,
    ids: ids.filter(isLeft),
    args: args.filter(isLeft),
    scheduledAts: scheduledAts.filter(isLeft),
    insertedAts: insertedAts.filter(isLeft),
  };
}

/** The lines of a store's queues. Whatever may put something in line that is not known, or change what is, gives them up. */
export class FreshLines {
  /** By queue, then by the types that are claimed. */
  readonly #lines = new Map<string, Map<string, FreshLine>>();

  of(queue: string, types: string): FreshLine | undefined {
    return this.#lines.get(queue)?.get(types);
  }

  /**
   * A claim has left nothing. A line that is there already knows no less.
   * @param since what came in line since its transaction began, and what was taken: the claim saw some of it or none
   */
  open(
    queue: string,
    types: readonly string[] | undefined,
    { name, now, taken, since }: { name: string; now: number; taken: Came['taken']; since: readonly Came[] },
  ): void {
    const known = this.of(queue, name);
    known?.looked(now);
    if (known !== undefined) return;
    const line = new FreshLine(types, now);
    const gone = [...taken, ...since.flatMap((came) => [...came.taken, ...came.takenFresh])];
    for (const { lining, fresh, left } of since) {
      if (left.has(queue)) return;
      const jobs = lining.get(queue);
      if (jobs !== undefined && !line.come(jobs, ofQueue(fresh, queue), gone)) return;
    }
    const lines = this.#lines.get(queue) ?? new Map<string, FreshLine>();
    lines.set(name, line);
    this.#lines.set(queue, lines);
  }

  /** Jobs came in line. */
  came({ lining, fresh, taken, left }: Came): void {
    for (const queue of left) this.giveUp(queue);
    for (const [queue, jobs] of lining) {
      const known = ofQueue(fresh, queue);
      for (const line of this.#lines.get(queue)?.values() ?? []) if (!line.come(jobs, known, taken)) this.giveUp(queue);
    }
  }

  giveUp(queue: string): void {
    this.#lines.delete(queue);
  }

  giveUpAll(): void {
    this.#lines.clear();
  }
}

const ofQueue = (fresh: readonly FreshJobs[], queue: string): FreshJobs[] =>
  fresh.filter(({ alike }) => alike.queue === queue);
