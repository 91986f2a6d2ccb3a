import { filledCell, integer, jsonList, type Row, text, textOrNull } from '../../cell.ts';
import { REJECTED_KEEP_MS, REJECTED_MAX, type RejectedMessage } from '../../rejected-message.ts';
import { rejectedPage, rejectedStart } from '../../rejected-page.ts';
import { limitOf, Refusal, type StoreWorld, type Verb } from '../verb.ts';

/** Keeps rejected messages; the oldest beyond the bound give way. */
export function reject(world: StoreWorld): Verb<'reject'> {
  const keep = world.rows(`insert into rejected_messages (key, at, queue, message_id, code, message, issues)
    values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing`);
  const giveWay = world.rows('delete from rejected_messages where seq <= (select max(seq) from rejected_messages) - ?');
  return ({ rejected }) => {
    for (const { key, at, queue, msgId, code, message, issues } of rejected) {
      keep.run(key, at, queue, msgId, code, message, filledCell(issues));
    }
    giveWay.run(REJECTED_MAX);
    return null;
  };
}

/** A page of rejected messages, newest first. */
export function rejected(world: StoreWorld): Verb<'rejected'> {
  const read = world.rows(`select * from rejected_messages where seq < ? order by seq desc ${limitOf('?')}`);
  return (options) => {
    const before = rejectedStart(options.cursor);
    if (before === undefined) return new Refusal('invalid_request', 'the cursor is not of a page before');
    const rows = read.all(before, options.limit + 1);
    const found = rows.map((row) => ({ place: integer(row.seq), it: rejectedOf(row) }));
    return rejectedPage(found, options);
  };
}

/** Counts a try of a message that is suspected of crashing whoever handles it. */
export function suspect(world: StoreWorld): Verb<'suspect'> {
  const note = world.rows(`insert into suspect_messages (key, tries, at) values (?, 1, ?)
    on conflict do update set tries = tries + 1, at = excluded.at returning tries`);
  return ({ now, key }) => ({ tries: integer(note.get(key, now)?.tries) });
}

/** Forgets what is older than rejected messages are kept. */
export function pruneRejected(world: StoreWorld): (now: number) => void {
  const messages = world.rows('delete from rejected_messages where at < ?');
  const suspects = world.rows('delete from suspect_messages where at < ?');
  return (now) => {
    messages.run(now - REJECTED_KEEP_MS);
    suspects.run(now - REJECTED_KEEP_MS);
  };
}

function rejectedOf(row: Row): RejectedMessage {
  return {
    key: text(row.key),
    at: integer(row.at),
    queue: text(row.queue),
    msgId: textOrNull(row.message_id),
    code: text(row.code),
    message: text(row.message),
    issues: jsonList(row.issues ?? null),
  };
}
