import { filledCell, integer, jsonList, type Row, text, textOrNull } from '../../cell.ts';
import { REJECTED_KEEP_MS, REJECTED_MAX, type RejectedMessage } from '../../rejected-message.ts';
import { rejectedPage, rejectedStart } from '../../rejected-page.ts';
import { held, heldOrNull, unheld, unheldCell } from '../plain-text.ts';
import type { Transaction } from '../transaction.ts';
import { type Asked, oneByOne, Refusal, type Verb } from '../verb.ts';

/** Keeps rejected messages; the oldest beyond the bound give way. */
export const reject: Verb<'reject'> = oneByOne(async (tx, { options: { rejected: messages } }: Asked<'reject'>) => {
  for (const { key, at, queue, msgId, code, message, issues } of messages) {
    await tx.run(
      `insert into @rejected_messages (key, at, queue, message_id, code, message, issues)
        values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`,
      [held(key), at, held(queue), heldOrNull(msgId), code, held(message), filledCell(issues)],
    );
  }
  // Places of messages that were there already are used up too, so the newest are counted, not reckoned.
  await tx.run(
    `delete from @rejected_messages where seq <=
      (select seq from @rejected_messages order by seq desc limit 1 offset ${REJECTED_MAX})`,
  );
  return null;
});

/** A page of rejected messages, newest first. */
export const rejected: Verb<'rejected'> = oneByOne(async (tx, { options }: Asked<'rejected'>) => {
  const before = rejectedStart(options.cursor);
  if (before === undefined) return new Refusal('invalid_request', 'the cursor is not of a page before');
  const rows = await tx.rows('select * from @rejected_messages where seq < $1 order by seq desc limit $2', [
    before,
    options.limit + 1,
  ]);
  const found = rows.map((row) => ({ place: integer(row.seq), it: rejectedOf(row) }));
  return rejectedPage(found, options);
});

/** Counts a try of a message that is suspected of crashing whoever handles it. */
export const suspect: Verb<'suspect'> = oneByOne(async (tx, { options: { now, key } }: Asked<'suspect'>) => {
  const [row] = await tx.lists(
    `insert into @suspect_messages as known (key, tries, at) values ($1, 1, $2)
      on conflict (key) do update set tries = known.tries + 1, at = excluded.at returning tries`,
    [held(key), now],
  );
  return { tries: integer(row?.[0]) };
});

/** Forgets what is older than rejected messages are kept. */
export async function pruneRejected(tx: Transaction, now: number): Promise<void> {
  await tx.run('delete from @rejected_messages where at < $1', [now - REJECTED_KEEP_MS]);
  await tx.run('delete from @suspect_messages where at < $1', [now - REJECTED_KEEP_MS]);
}

function rejectedOf(row: Row): RejectedMessage {
  return {
    key: unheld(text(row.key)),
    at: integer(row.at),
    queue: unheld(text(row.queue)),
    msgId: textOrNull(unheldCell(row.message_id)),
    code: text(row.code),
    message: unheld(text(row.message)),
    issues: jsonList(row.issues ?? null),
  };
}
