import type { Job } from '../../../job/job.ts';
import { assert } from '../../../kernel/error.ts';
import { utf8Bytes } from '../../../kernel/json.ts';
import { integer } from '../../cell.ts';
import { jobOf } from '../../job-row.ts';
import { listCursor, listStart } from '../../list-cursor.ts';
import { JOB_COLUMNS } from '../job-columns.ts';
import { walkJobs } from '../job-walk.ts';
import { Refusal, type StoreWorld, type Verb } from '../verb.ts';

/** Jobs are read so many at a time. */
const STEP_ROWS = 32;

/** What the names and times of a job may take more on the wire than here, in bytes of JSON. */
const FRAME_BYTES = 256;

/** A page of jobs by order of insertion. */
export function list(world: StoreWorld): Verb<'list'> {
  const whole = world.rows(
    `select seq, ${JOB_COLUMNS} from (select value as wanted from json_each(?)) cross join jobs on seq = wanted`,
  );

  /** The jobs at these places, in their order, as many as fit; read in small steps, for one may have a megabyte. */
  function jobsAt(seqs: readonly number[], bytesMax: number): Job[] {
    const jobs: Job[] = [];
    let bytes = 0;
    for (let from = 0; from < seqs.length; from += STEP_ROWS) {
      const step = seqs.slice(from, from + STEP_ROWS);
      const rows = new Map(whole.all(JSON.stringify(step)).map((row) => [integer(row.seq), row]));
      for (const seq of step) {
        const row = rows.get(seq);
        assert(row !== undefined, 'a job that was just found is there');
        const job = jobOf(row);
        bytes += FRAME_BYTES + utf8Bytes(JSON.stringify(job));
        if (bytes > bytesMax && jobs.length > 0) return jobs;
        jobs.push(job);
      }
    }
    return jobs;
  }

  return (options) => {
    const { filter, limit, order } = options;
    const from = listStart(options);
    if (from === undefined) return new Refusal('invalid_request', 'the cursor is not one of a page in this order');
    const descending = order === 'desc';
    const range = descending ? { above: 0, below: from } : { above: from, below: Number.MAX_SAFE_INTEGER };
    const seqs = walkJobs(world, { filter, descending, ...range, limit: limit + 1 });
    const page = seqs.slice(0, limit);
    const jobs = jobsAt(page, options.bytesMax ?? Number.POSITIVE_INFINITY);
    const last = page[jobs.length - 1];
    return { jobs, cursor: seqs.length > jobs.length && last !== undefined ? listCursor(order, last) : null };
  };
}
