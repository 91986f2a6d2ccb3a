/**
 * Schedules with their cursors; `declaration` is the whole checked declaration as JSON, `passed` the newest tick that
 * made no job. `revision` is taken from the one row of schedule_clock at each change that is no tick, so that a reader
 * finds what changed; `synced_term` is the last leader that laid its config beside what is stored. `reboots` has the
 * programs whose start has fired.
 */
export const schedules = `
create table @schedules (
  name text collate "C" primary key,
  revision bigint not null,
  source text not null,
  fingerprint text not null,
  anchor_at bigint not null,
  cursor_at bigint not null,
  paused_by text,
  ended_at bigint,
  last_at bigint,
  last_job_id uuid,
  ran_at bigint,
  ran_job_id uuid,
  runs bigint not null default 0,
  skipped bigint not null default 0,
  missed bigint not null default 0,
  passed text,
  declaration text not null
) with (fillfactor = 70);
create unique index schedules_revision on @schedules (revision);

create table @schedule_clock (
  one integer primary key check (one = 1),
  revision bigint not null,
  synced_term bigint not null
) with (fillfactor = 50);
insert into @schedule_clock (one, revision, synced_term) values (1, 0, 0);

create table @reboots (
  instance text collate "C" primary key,
  at bigint not null
);
create index reboots_at on @reboots (at);
`;
