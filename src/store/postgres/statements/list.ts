import type { Job } from '../../../job/job.ts';
import { utf8Bytes } from '../../../kernel/json.ts';
import { text } from '../../cell.ts';
import { listCursor, listStart } from '../../list-cursor.ts';
import { JOB_ROWS, jobOf } from '../job-columns.ts';
import type { Place } from '../job-places.ts';
import { walkJobs } from '../job-walk.ts';
import { words } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import { type Asked, oneByOne, Refusal, type Verb } from '../verb.ts';

/** Jobs are read so many at a time. */
const STEP_ROWS = 32;

/** What the names and times of a job may take more on the wire than here, in bytes of JSON. */
const FRAME_BYTES = 256;

/** A page of jobs by order of insertion. */
export const list: Verb<'list'> = oneByOne(async (tx, { options }: Asked<'list'>) => {
  const { filter, limit, order } = options;
  const from = listStart(options);
  if (from === undefined) return new Refusal('invalid_request', 'the cursor is not one of a page in this order');
  const descending = order === 'desc';
  const range = descending ? { above: 0, below: from } : { above: from, below: Number.MAX_SAFE_INTEGER };
  const places = await walkJobs(tx, { filter, descending, ...range, limit: limit + 1 });
  const { jobs, last } = await jobsAt(tx, places.slice(0, limit), options.bytesMax ?? Number.POSITIVE_INFINITY);
  const more = last !== undefined && last !== places.at(-1)?.seq;
  return { jobs, cursor: more ? listCursor(order, last) : null };
});

/**
 * The jobs at these places, in their order, as many as fit; read in small steps, for one may have a megabyte. One that is
 * gone since it was found is passed over. `last` is the place that was reached.
 */
async function jobsAt(
  tx: Transaction,
  places: readonly Place[],
  bytesMax: number,
): Promise<{ jobs: Job[]; last: number | undefined }> {
  const jobs: Job[] = [];
  let bytes = 0;
  let last: number | undefined;
  for (let from = 0; from < places.length; from += STEP_ROWS) {
    const step = places.slice(from, from + STEP_ROWS);
    const found = await tx.rows(`${JOB_ROWS} where jobs.id = any($1::uuid[])`, [words(step.map(({ id }) => id))]);
    const rows = new Map(found.map((row) => [text(row.id), row]));
    for (const { seq, id } of step) {
      const row = rows.get(id);
      if (row !== undefined) {
        const job = jobOf(row);
        bytes += FRAME_BYTES + utf8Bytes(JSON.stringify(job));
        if (bytes > bytesMax && jobs.length > 0) return { jobs, last };
        jobs.push(job);
      }
      last = seq;
    }
  }
  return { jobs, last };
}
