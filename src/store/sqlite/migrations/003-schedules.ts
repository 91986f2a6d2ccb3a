/**
 * Schedules with their cursors; `declaration` is the whole checked declaration as JSON, `passed` the newest tick that
 * made no job. `revision` is taken from the one row of schedule_clock at each change that is no tick, so that a reader
 * finds what changed; `synced_term` is the last leader that laid its config beside what is stored. `reboots` has the
 * programs whose start has fired.
 */
export const schedules = `
create table schedules (
  name text primary key,
  revision integer not null,
  source text not null,
  fingerprint text not null,
  anchor_at integer not null,
  cursor_at integer not null,
  paused_by text,
  ended_at integer,
  last_at integer,
  last_job_id text,
  ran_at integer,
  ran_job_id text,
  runs integer not null default 0,
  skipped integer not null default 0,
  missed integer not null default 0,
  passed text,
  declaration text not null
) strict, without rowid;
create unique index schedules_revision on schedules (revision);

create table schedule_clock (
  one integer primary key check (one = 1),
  revision integer not null,
  synced_term integer not null
) strict;
insert into schedule_clock (one, revision, synced_term) values (1, 0, 0);

create table reboots (
  instance text primary key,
  at integer not null
) strict, without rowid;
`;
