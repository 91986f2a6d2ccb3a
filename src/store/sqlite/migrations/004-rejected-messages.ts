/** What the durable intake rejected, in order, and the messages that it tries with care. */
export const rejectedMessages = `
create table rejected_messages (
  seq integer primary key autoincrement,
  key text not null unique,
  at integer not null,
  queue text not null,
  message_id text,
  code text not null,
  message text not null,
  issues text
) strict;
create index rejected_messages_at on rejected_messages (at);

create table suspect_messages (
  key text primary key,
  tries integer not null,
  at integer not null
) strict, without rowid;
create index suspect_messages_at on suspect_messages (at);
`;
