/**
 * Jobs, the outbox of their terminal facts, and how many there are of each kind.
 *
 * The row starts with what is small and changes; JSON comes last, so that reading a state touches no overflow page.
 * `seq` is the order of insertion and of cursors. `settled_run` and `settled_as` say which run a worker settled with
 * which outcome (its place in a list), for repeats; `missed_at` is when a beat first did not list the job; `terminate`
 * is null unless the job was cancelled while it ran. Empty tags, meta and errors are null.
 *
 * A row keeps its size through its first run, for then SQLite overwrites it in place; a row that grows on a full page
 * splits it (measured, that took an eighth of the rate). So `attempted_at` and `finished_at` hold the time of
 * insertion until they mean something (a run, a terminal state), states have nine letters, and `runner` holds 999, as
 * wide as the keys of workers, which begin at 1,000.
 *
 * The conditions of the indexes are written without `in`: SQLite keeps a list of three or a `not in` in a table that it
 * fills for every row that is written (1.5 µs of an insert's 4.6).
 *
 * Each index costs up to 0.5 µs and 50 bytes a job, so there are no more than these: claims
 * (jobs_claim), staging (jobs_due), beats and rescue (jobs_executing), pruning (jobs_finished), lists by queue and state
 * (jobs_listed: what is available or executes is left out, because it comes and goes and has an index already), by
 * reference and by schedule; one job per tick (jobs_tick); and of those few jobs that have one, deadlines (jobs_deadline)
 * and unique keys (jobs_unique, by state, so that a key's thousand completed jobs are no hindrance).
 */
export const jobs = `
create table jobs (
  seq integer primary key,
  id text not null,
  queue text not null,
  type text not null,
  state text not null,
  priority integer not null,
  attempt integer not null default 0,
  max_attempts integer not null,
  run integer not null default 0,
  scheduled_at integer not null,
  inserted_at integer not null,
  attempted_at integer not null,
  finished_at integer not null,
  runner integer not null default 999,
  settled_run integer,
  settled_as integer,
  missed_at integer,
  terminate integer,
  timeout_ms integer,
  deadline_at integer,
  unique_key text,
  reference_type text,
  reference_id text,
  schedule_name text,
  schedule_at integer,
  schedule_late integer,
  traceparent text,
  backoff text,
  tags text,
  meta text,
  args text not null,
  errors text,
  result text,
  progress text
) strict;
create unique index jobs_id on jobs (id);
create index jobs_claim on jobs (queue, priority, scheduled_at) where state = 'available';
create index jobs_due on jobs (scheduled_at) where state = 'scheduled' or state = 'retryable';
create index jobs_executing on jobs (runner) where state = 'executing';
create index jobs_finished on jobs (state, finished_at) 
  where state = 'completed' or state = 'cancelled' or state = 'discarded';
create index jobs_listed on jobs (queue, state) where state <> 'available' and state <> 'executing';
create index jobs_reference on jobs (reference_type, reference_id) where reference_type is not null;
create index jobs_schedule on jobs (schedule_name) where schedule_name is not null;
create unique index jobs_tick on jobs (schedule_name, schedule_at) where schedule_name is not null;
create index jobs_deadline on jobs (deadline_at)
  where deadline_at is not null and (state = 'scheduled' or state = 'available' or state = 'retryable');
create index jobs_unique on jobs (unique_key, state) where unique_key is not null;

create table job_counts (
  queue text not null,
  state text not null,
  jobs integer not null,
  primary key (queue, state)
) strict, without rowid;

create table outbox (
  last_seq integer primary key autoincrement,
  first_seq integer not null,
  oldest_at integer not null,
  facts text not null
) strict;
create index outbox_oldest on outbox (oldest_at);
`;
