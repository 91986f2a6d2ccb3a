/**
 * Available jobs of queues with partitions are either in line, as those of any other queue, and then this program knows
 * their partitions by heart, or set aside: only then they are in the index of partitions, where each key has pages of its own.
 * While a line is short no job is ever written there.
 */
export const partitionLines = `
drop index jobs_partition;
update jobs set aside = 1 where partition_key is not null and state = 'available';
insert or ignore into set_aside (queue, type)
  select distinct queue, type from jobs indexed by jobs_aside where state = 'available' and aside is not null;
create index jobs_partition on jobs (queue, priority, partition_key, scheduled_at)
  where partition_key is not null and state = 'available' and aside is not null;
`;
