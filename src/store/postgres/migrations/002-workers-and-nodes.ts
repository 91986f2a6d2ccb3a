/**
 * Workers with their last sign of life (rows of jobs name them by key), nodes with what they know, and who leads (one row,
 * kept for its term). `owner` is the store whose memory may know a newer sign of a worker than the row; null: none does.
 */
export const workersAndNodes = `
create table @workers (
  key bigint generated always as identity primary key,
  seen_at bigint not null,
  owner uuid,
  worker text collate "C" not null unique,
  node text collate "C"
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1);

create table @nodes (
  node text collate "C" primary key,
  instance text collate "C" not null,
  seen_at bigint not null,
  record text not null
) with (fillfactor = 50);

create table @leadership (
  one integer primary key check (one = 1),
  node text collate "C",
  instance text collate "C",
  term bigint not null,
  until bigint not null
) with (fillfactor = 50);
insert into @leadership (one, term, until) values (1, 0, 0);
`;
