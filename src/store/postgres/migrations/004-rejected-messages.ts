/** What the durable intake rejected, in order, and the messages that it tries with care. */
export const rejectedMessages = `
create table @rejected_messages (
  seq bigint generated always as identity primary key,
  at bigint not null,
  key text collate "C" not null unique,
  queue text not null,
  message_id text,
  code text not null,
  message text not null,
  issues text
);
create index rejected_messages_at on @rejected_messages (at);

create table @suspect_messages (
  key text collate "C" primary key,
  tries bigint not null,
  at bigint not null
);
create index suspect_messages_at on @suspect_messages (at);
`;
