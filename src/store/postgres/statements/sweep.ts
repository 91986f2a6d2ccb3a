import { DELETABLE_STATES } from '../../../job/job-change.ts';
import { statesAllowing } from '../../../job/life.ts';
import type { JobState } from '../../../job/state.ts';
import type { StoreAnswer, StoreOptions } from '../../job-store.ts';
import { firstPlace, lastPlace } from '../job-places.ts';
import { walkJobs } from '../job-walk.ts';
import type { Transaction } from '../transaction.ts';
import { type Asked, oneByOne, Refusal, type Verb } from '../verb.ts';
import { cancelJob } from './cancel.ts';
import { deleteJob } from './delete.ts';
import { type JobDeed, retryJob } from './retry.ts';

/** Places that one step looks at, at most: a filter that nothing fits must not hold up everybody else. */
export const WINDOW_ROWS = 20_000;

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
export const sweep: Verb<'sweep'> = oneByOne(async (tx, { options, tell }: Asked<'sweep'>) => {
  const { now, action, filter, limit } = options;
  const walk = await startOf(tx, options.cursor);
  if (walk === undefined) return new Refusal('invalid_request', 'the cursor is not one of a sweep');
  const answer: StoreAnswer<'sweep'> = { done: 0, cursor: null, wereRunning: [] };
  const allowed = STATES[action];
  const states = filter.states === undefined ? allowed : allowed.filter((state) => filter.states?.includes(state));
  const ahead = { queue: filter.queue, states, above: walk.from, below: walk.end + 1 };
  const first = await firstPlace(tx, ahead);
  if (first === undefined) return answer;
  const above = first - 1;
  const upTo = Math.min(walk.end, above + WINDOW_ROWS);
  const range = { descending: false, above, below: upTo + 1, limit };
  const places = await walkJobs(tx, { filter: { ...filter, states }, ...range });
  const deed = deedOf(options, answer.wereRunning);
  for (const { id } of places) if (await deed(tx, id, { now, tell })) answer.done += 1;
  const reached = places.length < limit ? upTo : (places.at(-1)?.seq ?? upTo);
  if (reached < walk.end) answer.cursor = `${reached.toString(36)}.${walk.end.toString(36)}`;
  return answer;
});

function deedOf(
  { action, terminate }: StoreOptions<'sweep'>,
  wereRunning: StoreAnswer<'sweep'>['wereRunning'],
): JobDeed {
  if (action === 'retry') return retryJob;
  if (action === 'delete') return deleteJob;
  return async (tx, id, to) => {
    const result = await cancelJob(tx, id, { ...to, terminate });
    if (result?.wasRunning) wereRunning.push({ id: result.id, queue: result.queue, ...result.wasRunning });
    return result?.conflict === false;
  };
}

/** Where a walk goes on, and where it ends. */
async function startOf(tx: Transaction, cursor?: string): Promise<{ from: number; end: number } | undefined> {
  if (cursor === undefined) return { from: 0, end: await lastPlace(tx) };
  const [from = Number.NaN, until = Number.NaN] = cursor.split('.').map((part) => Number.parseInt(part, 36));
  return Number.isSafeInteger(from) && Number.isSafeInteger(until) ? { from, end: until } : undefined;
}
