/**
 * Available jobs of types that a claim could not take and that stood at the head of their queue, long enough in the way
 * to be worth an index of their own: `aside` is 1 and they are in `jobs_aside`, by type, instead of in `jobs_claim`.
 * `set_aside` names the types that some are of, or were; those of a queue with partitions are forgotten when none waits.
 *
 * An index by type for all jobs would take a tenth of the rate (measured); jobs that are not set aside pay nothing.
 */
export const setAside = `
alter table jobs add column aside integer;
drop index jobs_claim;
create index jobs_claim on jobs (queue, priority, scheduled_at) where state = 'available' and aside is null;
create index jobs_aside on jobs (queue, type, priority, scheduled_at) where state = 'available' and aside is not null;

create table set_aside (
  queue text not null,
  type text not null,
  primary key (queue, type)
) strict, without rowid;
`;
