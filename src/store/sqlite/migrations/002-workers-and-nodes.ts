/**
 * Workers with their last sign of life (rows of jobs name them by key), nodes with what they know, and who leads (one row, kept for its term).
 */
export const workersAndNodes = `
create table workers (
  key integer primary key autoincrement,
  worker text not null unique,
  node text,
  seen_at integer not null
) strict;
insert into sqlite_sequence (name, seq) values ('workers', 999);
create index workers_seen on workers (seen_at);

create table nodes (
  node text primary key,
  instance text not null,
  seen_at integer not null,
  record text not null
) strict, without rowid;

create table leadership (
  one integer primary key check (one = 1),
  node text,
  instance text,
  term integer not null,
  until integer not null
) strict;
`;
