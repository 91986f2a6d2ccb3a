/**
 * What operators said of queues. `sorted_to` is null unless jobs are being sorted into partitions: up to which place they
 * are, of `sort_end`. `node` is empty for all nodes. Starts are kept for queues with a rate, as long as its window.
 *
 * `partition_key` is null in queues without partitions, whose jobs are in no index of partitions. It is by priority
 * before key: a claim goes round the keys of one priority after the other.
 */
export const queues = `
create table queues (
  queue text primary key,
  paused integer not null default 0,
  global_limit integer,
  rate_limit integer,
  rate_period_ms integer,
  partition_by text,
  partition_limit integer,
  sorted_to integer,
  sort_end integer
) strict, without rowid;

create table queue_scales (
  queue text not null,
  node text not null,
  jobs integer not null,
  primary key (queue, node)
) strict, without rowid;

create table queue_starts (
  queue text not null,
  since integer not null,
  at integer not null,
  starts integer not null,
  primary key (queue, since)
) strict, without rowid;

alter table jobs add column partition_key text;
create index jobs_partition on jobs (queue, priority, partition_key, scheduled_at)
  where partition_key is not null and state = 'available';
`;
