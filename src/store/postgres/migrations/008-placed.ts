/**
 * Two indexes in order of insertion instead of three, of which an end writes one entry less: 2 µs of the server's CPU.
 *
 * `jobs_placed` has all jobs but those that are available or execute, by state and queue and within these in order of
 * insertion; lists, counts and sweeps walk it once for each. Pruning goes through what has ended in that order too and passes
 * over what ended lately, for an index by time of end would be the entry that is saved. `jobs_available` has the available
 * ones in order of insertion alone: it grows at its end only, and with the others an insert would cost 4 µs more.
 *
 * From now on there are: ids (the key), lists and pruning (jobs_placed, jobs_available), claims (jobs_claim, jobs_aside,
 * jobs_partition), staging (jobs_due), beats, rescue and what limits count (jobs_executing), by reference and by schedule; and
 * jobs_tick, jobs_deadline and jobs_unique of those few jobs that have one.
 *
 * What is dropped goes first: that locks the table at once, and nobody can wait for this while this waits for them. Until the
 * indexes are made all others wait.
 */
export const placed = `
drop index @jobs_finished;
drop index @jobs_later;
drop index @jobs_seq;
create index jobs_placed on @jobs (state, queue, seq) where (state = 'executing' or state = 'available') is false;
create index jobs_available on @jobs (seq) where (state <> 'available') is false;
`;
