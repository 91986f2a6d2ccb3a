import { integer } from '../../cell.ts';
import type { StoreAnswer } from '../../job-store.ts';
import { scheduleOf, withinBytes } from '../../schedule-row.ts';
import { SCHEDULE_ROWS } from '../job-columns.ts';
import { limitOf, type StoreWorld, type Verb } from '../verb.ts';

/** Rows of one page, however small they are. */
const PAGE_ROWS_MAX = 2_000;

/** Schedules by name: those named, or a page of those after a name. */
export function schedules(world: StoreWorld): Verb<'schedules'> {
  const one = world.rows(`${SCHEDULE_ROWS} where schedules.name = ?`);
  const page = world.rows(`${SCHEDULE_ROWS} where schedules.name > ? order by schedules.name ${limitOf('?')}`);
  return ({ names, after = '', limit = PAGE_ROWS_MAX, bytesMax = Number.POSITIVE_INFINITY }) => {
    if (names !== undefined) {
      const rows = names.map((name) => one.get(name)).filter((row) => row !== undefined);
      return { schedules: rows.map(scheduleOf), more: false };
    }
    const rows = page.all(after, limit + 1);
    const { records, more } = withinBytes(rows.slice(0, limit), bytesMax);
    return { schedules: records, more: more || rows.length > limit };
  };
}

/** What changed after a revision; when nothing did, that costs one small row. */
export function scheduleChanges(world: StoreWorld): Verb<'scheduleChanges'> {
  const clock = world.rows('select revision, synced_term from schedule_clock where one = 1');
  const count = world.rows('select count(*) as schedules from schedules');
  const changed = world.rows(
    `${SCHEDULE_ROWS} where schedules.revision > ? order by schedules.revision ${limitOf('?')}`,
  );
  return ({ after, bytesMax = Number.POSITIVE_INFINITY }): StoreAnswer<'scheduleChanges'> => {
    const now = clock.get() ?? {};
    const marks = { revision: integer(now.revision), syncedTerm: integer(now.synced_term) };
    if (after >= marks.revision) return { changed: [], more: false, count: -1, ...marks };
    const rows = changed.all(after, PAGE_ROWS_MAX + 1);
    const { records, more } = withinBytes(rows.slice(0, PAGE_ROWS_MAX), bytesMax);
    return {
      changed: records,
      more: more || rows.length > PAGE_ROWS_MAX,
      count: integer(count.get()?.schedules),
      ...marks,
    };
  };
}
