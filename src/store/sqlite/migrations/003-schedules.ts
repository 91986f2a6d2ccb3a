/** Schedules with their cursors; `declaration` is the whole checked declaration as JSON. */
export const schedules = `
create table schedules (
  name text primary key,
  source text not null,
  fingerprint text not null,
  anchor_at integer not null,
  cursor_at integer not null,
  last_at integer,
  last_job_id text,
  runs integer not null default 0,
  paused_by text,
  declaration text not null
) strict, without rowid;
`;
