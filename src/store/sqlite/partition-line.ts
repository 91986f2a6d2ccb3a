/** What is known of a waiting job of a queue with partitions. */
export interface LinedJob {
  /** Where its row is. */
  place: number;
  key: string;
  type: string;
  priority: number;
  scheduledAt: number;
  deadlineAt: number | null;
}

/** What of a line is claimed. */
export interface LinePick {
  now: number;
  /** Jobs that are wanted. */
  limit: number;
  /** Only these types; all when left out. */
  types: ReadonlySet<string> | undefined;
  /** How many more jobs of a partition may start. */
  room(key: string): number;
}

/** The jobs of one partition and priority in order, behind those that have gone. */
interface Key {
  jobs: LinedJob[];
  gone: number;
}

/** Where a pick is in a partition. */
interface Turn {
  key: Key;
  at: number;
  room: number;
}

/** So many jobs that have gone are kept at the head of a list, and half of it at most. */
const GONE_MAX = 64;

/**
 * The jobs that wait in a queue with partitions. A pick takes of each priority its keys in turn, none twice before each
 * had its turn; within a key in order. A key that gave something goes behind all others, so that the next pick goes on
 * with those that it has kept waiting.
 */
export class PartitionLine {
  /** By priority and key; the keys of a priority in the order of their turns. */
  readonly #levels = new Map<number, Map<string, Key>>();
  /** Those of the last pick, by their places. */
  readonly #picked = new Map<number, LinedJob>();
  #size = 0;

  /**
   * @param jobs in any order
   * @param before an earlier state of the line: its keys keep their turns
   */
  static of(jobs: Iterable<LinedJob>, before?: PartitionLine): PartitionLine {
    const line = new PartitionLine();
    for (const [priority, level] of before === undefined ? [] : before.#levels) {
      line.#levels.set(priority, new Map([...level.keys()].map((key) => [key, { jobs: [], gone: 0 }])));
    }
    for (const job of jobs) line.add(job);
    for (const [priority, level] of line.#levels) {
      for (const [key, { jobs: its }] of level) if (its.length === 0) level.delete(key);
      if (level.size === 0) line.#levels.delete(priority);
    }
    return line;
  }

  /** How many jobs are in it. */
  get size(): number {
    return this.#size;
  }

  /** A job came to wait, mostly behind those that are there. */
  add(job: LinedJob): void {
    let level = this.#levels.get(job.priority);
    if (level === undefined) {
      level = new Map();
      this.#levels.set(job.priority, level);
    }
    const key = level.get(job.key);
    if (key === undefined) level.set(job.key, { jobs: [job], gone: 0 });
    else {
      let at = key.jobs.length;
      for (let before = key.jobs[at - 1]; at > key.gone && before && comesBefore(job, before); ) {
        at -= 1;
        before = key.jobs[at - 1];
      }
      if (at === key.jobs.length) key.jobs.push(job);
      else key.jobs.splice(at, 0, job);
    }
    this.#size += 1;
  }

  /** What may be claimed, in the order of claims. It stays until {@link take}. */
  pick(pick: LinePick): LinedJob[] {
    const picked: LinedJob[] = [];
    const taken = new Map<string, number>();
    for (const priority of [...this.#levels.keys()].sort((a, b) => a - b)) {
      if (picked.length === pick.limit) break;
      const level = this.#levels.get(priority) ?? new Map<string, Key>();
      pickLevel(level, pick, { picked, taken });
    }
    this.#picked.clear();
    for (const job of picked) this.#picked.set(job.place, job);
    return picked.sort((a, b) => a.priority - b.priority || (comesBefore(a, b) ? -1 : 1));
  }

  /** Jobs of the last pick, by their places, wait no more. */
  take(places: readonly number[]): void {
    for (const place of places) {
      const job = this.#picked.get(place);
      if (job !== undefined) this.#remove(job);
    }
    this.#picked.clear();
  }

  #remove(job: LinedJob): void {
    const level = this.#levels.get(job.priority);
    const key = level?.get(job.key);
    if (level === undefined || key === undefined) return;
    if (key.jobs[key.gone] === job) key.gone += 1;
    else key.jobs.splice(key.jobs.indexOf(job, key.gone), 1);
    this.#size -= 1;
    level.delete(job.key);
    if (key.gone < key.jobs.length) level.set(job.key, key);
    else if (level.size === 0) this.#levels.delete(job.priority);
    if (key.gone > GONE_MAX && key.gone * 2 > key.jobs.length) {
      key.jobs.splice(0, key.gone);
      key.gone = 0;
    }
  }
}

/** Whether a job of a partition is claimed before another one of the same priority. */
function comesBefore(job: LinedJob, other: LinedJob): boolean {
  return job.scheduledAt < other.scheduledAt || (job.scheduledAt === other.scheduledAt && job.place < other.place);
}

/** Picks of one priority: goes round its keys until there is enough or none has more. */
function pickLevel(
  level: ReadonlyMap<string, Key>,
  pick: LinePick,
  so: { picked: LinedJob[]; taken: Map<string, number> },
): void {
  const { picked, taken } = so;
  let turns: Turn[] = [];
  for (const [name, key] of level) {
    if (picked.length === pick.limit) return;
    const room = pick.room(name) - (taken.get(name) ?? 0);
    if (room <= 0) continue;
    const turn: Turn = { key, at: key.gone, room };
    if (serve(turn, pick, so)) turns.push(turn);
  }
  while (turns.length > 0 && picked.length < pick.limit) {
    turns = turns.filter((turn) => picked.length < pick.limit && turn.room > 0 && serve(turn, pick, so));
  }
}

/** Picks the next job of a key that fits. */
function serve(
  turn: Turn,
  { now, types }: LinePick,
  { picked, taken }: { picked: LinedJob[]; taken: Map<string, number> },
): boolean {
  const { key } = turn;
  while (turn.at < key.jobs.length) {
    const job = key.jobs[turn.at];
    turn.at += 1;
    if (job === undefined || (job.deadlineAt !== null && job.deadlineAt <= now)) continue;
    if (types !== undefined && !types.has(job.type)) continue;
    turn.room -= 1;
    taken.set(job.key, (taken.get(job.key) ?? 0) + 1);
    picked.push(job);
    return true;
  }
  return false;
}
