import { integer, text } from '../../cell.ts';
import { scheduleOf, withinBytes } from '../../schedule-row.ts';
import { texts } from '../sql-list.ts';
import { type Asked, oneByOne, type Verb } from '../verb.ts';

/** What a whole schedule is read from, with the states of its last jobs. */
export const SCHEDULE_ROWS = `select schedules.*, octet_length(schedules.declaration) as bytes, last.state as last_state,
    ran.state as ran_state
  from @schedules as schedules left join @jobs as last on last.id = schedules.last_job_id
    left join @jobs as ran on ran.id = schedules.ran_job_id`;

/** Rows of one page, however small they are. */
const PAGE_ROWS_MAX = 2_000;

/** Schedules by name: those named, or a page of those after a name. */
export const schedules: Verb<'schedules'> = oneByOne(async (tx, { options }: Asked<'schedules'>) => {
  const { names, after = '', limit = PAGE_ROWS_MAX, bytesMax = Number.POSITIVE_INFINITY } = options;
  if (names !== undefined) {
    const found = await tx.rows(`${SCHEDULE_ROWS} where schedules.name = any($1::text[])`, [texts(names)]);
    const byName = new Map(found.map((row) => [text(row.name), scheduleOf(row)]));
    return { schedules: names.flatMap((name) => byName.get(name) ?? []), more: false };
  }
  const rows = await tx.rows(`${SCHEDULE_ROWS} where schedules.name > $1 order by schedules.name limit $2`, [
    after,
    limit + 1,
  ]);
  const { records, more } = withinBytes(rows.slice(0, limit), bytesMax);
  return { schedules: records, more: more || rows.length > limit };
});

/** What changed after a revision; when nothing did, that costs one small row. */
export const scheduleChanges: Verb<'scheduleChanges'> = oneByOne(
  async (tx, { options: { after, bytesMax = Number.POSITIVE_INFINITY } }: Asked<'scheduleChanges'>) => {
    const [clock] = await tx.rows('select revision, synced_term from @schedule_clock where one = 1');
    const marks = { revision: integer(clock?.revision), syncedTerm: integer(clock?.synced_term) };
    if (after >= marks.revision) return { changed: [], more: false, count: -1, ...marks };
    const rows = await tx.rows(
      `${SCHEDULE_ROWS} where schedules.revision > $1 order by schedules.revision limit ${PAGE_ROWS_MAX + 1}`,
      [after],
    );
    const { records, more } = withinBytes(rows.slice(0, PAGE_ROWS_MAX), bytesMax);
    const [count] = await tx.lists('select count(*) from @schedules');
    return { changed: records, more: more || rows.length > PAGE_ROWS_MAX, count: integer(count?.[0]), ...marks };
  },
);
