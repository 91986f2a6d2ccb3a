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
  readonly #byPlace = new Map<number, LinedJob>();

  /** How many jobs are in it. */
  get size(): number {
    return this.#byPlace.size;
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
    this.#byPlace.set(job.place, job);
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
    return picked.sort((a, b) => a.priority - b.priority || (comesBefore(a, b) ? -1 : 1));
  }

  /** The jobs at these places were claimed; their keys have had their turns. */
  take(places: readonly number[]): void {
    for (const place of places) {
      const job = this.#byPlace.get(place);
      if (job === undefined) continue;
      this.#byPlace.delete(place);
      const key = this.#remove(job);
      const level = this.#levels.get(job.priority);
      if (key === undefined || level === undefined) continue;
      level.delete(job.key);
      level.set(job.key, key);
    }
  }

  /** What waits at a place has changed, or nothing does any more; its key keeps its turn. */
  change(place: number, job: LinedJob | undefined): void {
    const before = this.#byPlace.get(place);
    this.#byPlace.delete(place);
    if (job !== undefined) this.add(job);
    if (before !== undefined) this.#remove(before);
  }

  /** Takes a job out of its list; the rest of that, if there is any. */
  #remove(job: LinedJob): Key | undefined {
    const level = this.#levels.get(job.priority);
    const key = level?.get(job.key);
    if (level === undefined || key === undefined) return undefined;
    if (key.jobs[key.gone] === job) key.gone += 1;
    else key.jobs.splice(key.jobs.indexOf(job, key.gone), 1);
    if (key.gone === key.jobs.length) {
      level.delete(job.key);
      if (level.size === 0) this.#levels.delete(job.priority);
      return undefined;
    }
    if (key.gone > GONE_MAX && key.gone * 2 > key.jobs.length) {
      key.jobs.splice(0, key.gone);
      key.gone = 0;
    }
    return key;
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
