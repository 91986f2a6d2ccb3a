/**
 * Jobs, and the outbox of their terminal facts.
 *
 * What is never null comes first: PostgreSQL finds a column at once only where no null is before it, and looks at each
 * indexed one for every version of a row. `seq` is the order of insertion and of cursors; it is no key, for to check one
 * costs a look at each older version. Times are milliseconds since the epoch; `attempted_at` and `finished_at` hold the
 * time of insertion until they mean something (a run, a terminal state), `runner` 0. `settled_run` and `settled_as` say
 * which run a worker settled with which outcome (its place in a list), for repeats; `missed_at` is when a beat first did
 * not list the job; `terminate` is null unless the job was cancelled while it ran. Empty tags, meta and errors are null.
 * JSON is kept as text, as it was written: `jsonb` cannot hold every text, and nobody asks for its inside.
 *
 * Names are compared byte by byte (`collate "C"`), whatever the database's own order is.
 *
 * Each change of a state is a new version of the row with an entry in every index that has it, so there are no more
 * than these: ids (the key), order of insertion (jobs_seq), claims (jobs_claim), staging (jobs_due), beats, rescue and
 * what limits count (jobs_executing), pruning, lists and counts by queue and state (jobs_finished, jobs_later), by
 * reference and by schedule; one job per tick (jobs_tick); deadlines (jobs_deadline) and unique keys (jobs_unique) of
 * those few jobs that have one; and partitions (jobs_partition: by priority before key, for a claim goes round the keys
 * of one priority after the other).
 *
 * `facts` of the outbox are `places` in number; `gone` are the runs of them that are out. A row is its owner's to announce;
 * another one may take it once `taken_until` has passed.
 */
export const jobs = `
create table @jobs (
  id uuid primary key,
  seq bigint generated always as identity,
  scheduled_at bigint not null,
  inserted_at bigint not null,
  attempted_at bigint not null,
  finished_at bigint not null,
  runner bigint not null default 0,
  attempt integer not null default 0,
  max_attempts integer not null,
  run integer not null default 0,
  priority smallint not null,
  state text collate "C" not null,
  queue text collate "C" not null,
  type text collate "C" not null,
  settled_as smallint,
  schedule_late smallint,
  terminate smallint,
  settled_run integer,
  missed_at bigint,
  timeout_ms bigint,
  deadline_at bigint,
  schedule_at bigint,
  unique_key text collate "C",
  partition_key text collate "C",
  reference_type text collate "C",
  reference_id text collate "C",
  schedule_name text collate "C",
  traceparent text,
  backoff text,
  tags text,
  meta text,
  args text not null,
  errors text,
  result text,
  progress text
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
create index jobs_seq on @jobs (seq);
create index jobs_claim on @jobs (queue, priority, scheduled_at, seq) where state = 'available';
create index jobs_due on @jobs (scheduled_at) where state = 'scheduled' or state = 'retryable';
create index jobs_executing on @jobs (queue, runner) where state = 'executing';
create index jobs_finished on @jobs (queue, state, finished_at, seq)
  where state = 'completed' or state = 'cancelled' or state = 'discarded';
create index jobs_later on @jobs (queue, state, seq) where state = 'scheduled' or state = 'retryable';
create index jobs_reference on @jobs (reference_type, reference_id, seq) where reference_type is not null;
create index jobs_schedule on @jobs (schedule_name, seq) where schedule_name is not null;
create unique index jobs_tick on @jobs (schedule_name, schedule_at) where schedule_name is not null;
create index jobs_deadline on @jobs (deadline_at)
  where deadline_at is not null and (state = 'scheduled' or state = 'available' or state = 'retryable');
create index jobs_unique on @jobs (unique_key, state, seq) where unique_key is not null;
create index jobs_partition on @jobs (queue, priority, partition_key, scheduled_at, seq)
  where partition_key is not null and state = 'available';

create table @outbox (
  block bigint generated always as identity primary key,
  owner uuid not null,
  taken_until bigint not null,
  oldest_at bigint not null,
  places integer not null,
  gone text,
  facts text not null
);
create index outbox_oldest on @outbox (oldest_at);
`;
