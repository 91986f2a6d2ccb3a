import { stateAfter } from '../../job/life.ts';

/** What a claimed job is. */
export const EXECUTING = stateAfter('available', 'claim');
/** What it is when it has completed. */
export const COMPLETED = stateAfter('executing', 'complete');
