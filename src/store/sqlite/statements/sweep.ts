import { DELETABLE_STATES } from '../../../job/job-change.ts';
import { statesAllowing } from '../../../job/life.ts';
import type { JobState } from '../../../job/state.ts';
import { integer } from '../../cell.ts';
import type { StoreAnswer, StoreOptions } from '../../job-store.ts';
import type { JobPlaces } from '../job-places.ts';
import { walkJobs } from '../job-walk.ts';
import { Refusal, type StoreWorld, type Tell, type Verb } from '../verb.ts';
import { cancelJob } from './cancel.ts';
import { deleteJob } from './delete.ts';
import { type JobDeed, retryJob } from './retry.ts';

/** Places that one step looks at, at most: a filter that nothing fits must not hold up everybody else. */
const WINDOW_ROWS = 20_000;

/** The states in which something can be done to a job. */
const STATES: Record<StoreOptions<'sweep'>['action'], readonly JobState[]> = {
  cancel: statesAllowing('cancel'),
  retry: statesAllowing('retry'),
  delete: DELETABLE_STATES,
};

/**
 * One step of a walk over the jobs that fit a filter. The walk goes once through what was there when it began, in order
 * of insertion: it ends while jobs are inserted, and no job is taken twice, whatever becomes of it meanwhile.
 */
export function sweep(world: StoreWorld): Verb<'sweep'> {
  const after = world.rows('select seq from jobs where seq > ? order by seq limit 1');
  const cancel = cancelJob(world);
  const walks = new Walks(world.places);
  const deeds = { retry: retryJob(world), delete: deleteJob(world) };

  function deedOf(
    { action, terminate }: StoreOptions<'sweep'>,
    wereRunning: StoreAnswer<'sweep'>['wereRunning'],
  ): JobDeed {
    if (action !== 'cancel') return deeds[action];
    return (seq, to: { now: number; tell: Tell }) => {
      const result = cancel(seq, { ...to, terminate });
      if (result?.wasRunning) wereRunning.push({ id: result.id, queue: result.queue, ...result.wasRunning });
      return result?.conflict === false;
    };
  }

  return (options, tell) => {
    const { now, action, filter, limit } = options;
    const walk = walks.of(options);
    if (walk === undefined) return new Refusal('invalid_request', 'the cursor is not one of a sweep');
    const answer: StoreAnswer<'sweep'> = { done: 0, cursor: null, wereRunning: [] };
    const allowed = STATES[action];
    const states = filter.states === undefined ? allowed : allowed.filter((state) => filter.states?.includes(state));
    const first = after.get(walk.from);
    if (states.length === 0 || first === undefined || integer(first.seq) > walk.end) return answer;
    const above = integer(first.seq) - 1;
    const upTo = Math.min(walk.end, above + WINDOW_ROWS);
    const seqs = walkJobs(world, { filter: { ...filter, states }, descending: false, above, below: upTo + 1, limit });
    const deed = deedOf(options, answer.wereRunning);
    for (const seq of seqs) if (deed(seq, { now, tell })) answer.done += 1;
    const reached = seqs.length < limit ? upTo : (seqs.at(-1) ?? upTo);
    if (reached < walk.end) answer.cursor = walks.cursor({ ...walk, from: reached });
    return answer;
  };
}

/** Where a walk goes on, and where it ends. */
interface Walk {
  from: number;
  end: number;
}

/** The walks of one opening of the store, and those that go on from another one. */
class Walks {
  readonly #places: JobPlaces;
  /** Tells the openings of a store apart: when the first walk began. */
  #opening: number | undefined;

  constructor(places: JobPlaces) {
    this.#places = places;
  }

  /** The walk that a request goes on with, or begins; undefined where its cursor is none. */
  of({ cursor, now }: StoreOptions<'sweep'>): Walk | undefined {
    this.#opening ??= now;
    if (cursor === undefined) return { from: 0, end: this.#places.last() };
    const [from = Number.NaN, end = Number.NaN, opening] = cursor.split('.').map((text) => Number.parseInt(text, 36));
    if (!Number.isSafeInteger(from) || !Number.isSafeInteger(end)) return undefined;
    // Places that were given before, and were free when the store was opened, are those of other jobs now.
    return { from, end: opening === this.#opening ? end : Math.min(end, this.#places.highestAtStart) };
  }

  cursor({ from, end }: Walk): string {
    return [from, end, this.#opening ?? 0].map((part) => part.toString(36)).join('.');
  }
}
