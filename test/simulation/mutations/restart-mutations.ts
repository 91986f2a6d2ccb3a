import type { Mutation } from './mutation.ts';

/** Bugs about what only stood in the memory of a store's owner that was killed. */
export const RESTART_MUTATIONS: readonly Mutation[] = [
  {
    name: 'starts-forgotten-at-restart',
    what: 'the starts that count against a rate are not found again by the next owner of the store',
    seedsMax: 40,
    reopened: (db) => db.exec('delete from queue_starts'),
  },
  {
    name: 'executing-forgotten-at-restart',
    what: 'how many jobs execute is counted from nothing by the next owner of the store',
    seedsMax: 20,
    reopened: (db) => db.exec("update job_counts set jobs = 0 where state = 'executing'"),
  },
];
