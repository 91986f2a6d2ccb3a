/**
 * What operators said of queues. `sorted_to` is null unless jobs are being sorted into partitions: up to which place they
 * are, of `sort_end`. `node` is empty for all
 * nodes. Starts are kept for queues with a rate, as long as its window.
 */
export const queues = `
create table @queues (
  queue text collate "C" primary key,
  paused smallint not null default 0,
  global_limit integer,
  rate_limit integer,
  rate_period_ms bigint,
  partition_by text,
  partition_limit integer,
  sorted_to bigint,
  sort_end bigint
) with (fillfactor = 50);

create table @queue_scales (
  queue text collate "C" not null,
  node text collate "C" not null,
  jobs integer not null,
  primary key (queue, node)
);

create table @queue_starts (
  queue text collate "C" not null,
  since bigint not null,
  at bigint not null,
  starts integer not null,
  primary key (queue, since)
) with (fillfactor = 50);
`;
