import type { ClaimedJob } from '../../../job/job.ts';
import { assert } from '../../../kernel/error.ts';
import { type Cell, integer, json, text } from '../../cell.ts';
import { CLAIM_FRAME_BYTES } from '../../claim-size.ts';
import type { ClaimOptions } from '../../job-store.ts';
import { type Claimed, TAKE } from '../claimed-jobs.ts';
import { type FreshJobs, type FreshLine, type FreshRun, idsOf, isIn, type Taking } from '../fresh-lines.ts';
import { texts, words } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import { allows } from '../verb.ts';
import { headFits, IN_LINE, setAside } from './set-aside.ts';

/** What stands at the head of a queue, of some types or of all, apart from what others have in hand: it would be locked. */
const headOf = (types: string, cells = ''): string => `select id ${cells} from @jobs where queue = $1 and ${IN_LINE}
  and (deadline_at is null or deadline_at > $2) and id <> all($3::uuid[]) ${types}
  order by priority, scheduled_at, seq limit 1 for update skip locked`;
const HEAD = headOf('');
/** Of some types; and whether a job of one of them is the very first, whatever others have in hand. */
const HEAD_OF_TYPES = headOf('and type = any($4::text[])', `, ${headFits('$1', '$4')}`);

/** Takes rows that are as these transactions inserted them; what others are taking is passed over. */
const TAKE_FRESH = `${TAKE} where jobs.ctid = any(array(select ctid from @jobs where id = any($3::uuid[])
    and xmin = any($4::xid[]) and case when ${allows('claim')} then aside is null end for update skip locked))
  returning jobs.seq, jobs.id, jobs.inserted_at`;

/** Where a row says which job it is. */
const ID_AT = 1;

/** Claims what is known to be next, up to a place in the order of claims; nothing where it is not known. */
export async function claimFresh(
  tx: Transaction,
  options: ClaimOptions,
  { room, before }: { room: number; before: Taking['before'] },
): Promise<Claimed[]> {
  const { now, queue, worker, types, bytesMax = Number.MAX_SAFE_INTEGER } = options;
  const line = tx.starts.line(queue, types);
  if (line === undefined || line.size === 0) return [];
  const isDue = line.isDue(tx.now);
  // Out of the line before anything is waited for: two groups take different ones.
  const runs = line.take({ limit: room, bytesMax, bytesOf, before });
  try {
    if (runs.length === 0) return [];
    if (isDue && !(await isHeadKnown(tx, { line, runs }, options))) {
      tx.starts.giveUpLine(queue);
      return [];
    }
    const ids = idsOf(runs);
    tx.starts.takenFresh.push(ids);
    const xmins = [...new Set(runs.map(({ jobs }) => jobs.xmin))];
    const rows = await tx.lists(TAKE_FRESH, [now, tx.signs.keyOf(worker), words(ids), words(xmins)]);
    // Somebody else was at them: there may be more of that.
    if (rows.length < ids.length) line.looked(undefined);
    const claimed = claimedOf(runs, inOrderOf(ids, rows));
    assert(claimed.length === rows.length, 'each row that was taken is of a job that was asked for');
    return claimed;
  } finally {
    line.found(runs);
  }
}

/** Whether it is known that nothing waits for a claim; where nobody has looked for a while, its queue is looked at. */
export async function nothingWaits(tx: Transaction, options: ClaimOptions): Promise<boolean> {
  const line = tx.starts.line(options.queue, options.types);
  if (line === undefined || line.size > 0) return false;
  if (!line.isDue(tx.now) || (await isHeadKnown(tx, { line, runs: [] }, options))) return line.size === 0;
  tx.starts.giveUpLine(options.queue);
  return false;
}

/** Whether this store put in line what stands at the head of a queue. */
async function isHeadKnown(
  tx: Transaction,
  { line, runs }: { line: FreshLine; runs: readonly FreshRun[] },
  { now, queue, types }: ClaimOptions,
): Promise<boolean> {
  line.looked(tx.now);
  const others = words(line.inHandBeside(runs));
  const [head] =
    types === undefined
      ? await tx.lists(HEAD, [queue, now, others])
      : await tx.lists(HEAD_OF_TYPES, [queue, now, others, texts(types)]);
  // Else it would be walked past at each look, for as long as there is something to take.
  if (types !== undefined && head?.[1] === 'f') await setAside(tx, queue, types);
  const first = head && text(head[0]);
  // Somebody else has all that waits.
  if (first === undefined) return true;
  return runs.some((run) => isIn(run, first)) || line.has(first) || tx.starts.isComing(first);
}

/** At most how many bytes of JSON a job takes. */
const bytesOf = (args: string, type: string): number => CLAIM_FRAME_BYTES + type.length + 3 * args.length;

/** The rows of jobs in the order of these ids; undefined: there is none. The table's order mostly is that of the line. */
function inOrderOf(ids: readonly string[], rows: readonly Cell[][]): readonly (readonly Cell[] | undefined)[] {
  if (rows.length === ids.length && ids.every((id, at) => rows[at]?.[ID_AT] === id)) return rows;
  const byId = new Map(rows.map((row) => [text(row[ID_AT]), row]));
  return ids.map((id) => byId.get(id));
}

/** Jobs of runs, of which these are the rows. */
function claimedOf(runs: readonly FreshRun[], rows: readonly (readonly Cell[] | undefined)[]): Claimed[] {
  const claimed: Claimed[] = [];
  let nth = 0;
  for (const { jobs, from, to } of runs) {
    for (let at = from; at < to; at++) {
      const row = rows[nth++];
      if (row !== undefined) claimed.push({ seq: integer(row[0]), job: freshJob(jobs, at, row) });
    }
  }
  return claimed;
}

function freshJob(
  { alike, ids, args, scheduledAts, insertedAts }: FreshJobs,
  at: number,
  row: readonly Cell[],
): ClaimedJob {
  const [id, insertedAt] = [ids[at] ?? '', insertedAts[at] ?? 0];
  // A job that was deleted, and its id inserted again: what was written goes back with the group, which is then run with care.
  assert(integer(row[2]) === insertedAt, 'a fresh job is the one that was inserted');
  return {
    id,
    run: 1,
    type: alike.type,
    queue: alike.queue,
    args: json(args[at] ?? null),
    attempt: 1,
    maxAttempts: alike.maxAttempts,
    priority: alike.priority,
    timeoutMs: null,
    meta: {},
    tags: [],
    reference: null,
    schedule: null,
    scheduledAt: scheduledAts[at] ?? 0,
    insertedAt,
    traceparent: null,
  };
}
