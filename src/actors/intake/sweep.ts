import type { Clock } from '../../kernel/clock.ts';
import type { StoreOptions } from '../../store/job-store.ts';
import type { StoreClient } from '../store-client.ts';

/** What is done to jobs, and to which. */
export type SweepOptions = Pick<StoreOptions<'sweep'>, 'action' | 'filter'> & { terminate?: boolean };

/** Jobs that one step takes. */
const STEP_MAX = 500;

/**
 * Does something to all jobs that fit a filter, step by step, each a short transaction; only jobs that were there at the
 * first one are meant.
 * @returns how many it was done to
 */
export async function sweep(
  { store, clock }: { store: StoreClient; clock: Clock },
  options: SweepOptions,
): Promise<number> {
  let count = 0;
  for (let from: { cursor?: string } = {}; ; ) {
    const step = { terminate: false, ...options, ...from, now: clock.now(), limit: STEP_MAX };
    const { done, cursor } = await store.ask('sweep', step);
    count += done;
    if (cursor === null) return count;
    from = { cursor };
  }
}
