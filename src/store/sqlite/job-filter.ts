import type { JobFilter } from '../job-store.ts';

/** A condition with what it binds. */
export interface Condition {
  sql: string;
  values: (string | number)[];
}

/** All conditions joined; every row when there are none. */
export function allOf(conditions: readonly Condition[]): Condition {
  return {
    sql: conditions.length === 0 ? '1' : conditions.map(({ sql }) => sql).join(' and '),
    values: conditions.flatMap(({ values }) => values),
  };
}

const inStates = (states: readonly string[]): Condition => ({
  sql: 'state in (select value from json_each(?))',
  values: [JSON.stringify(states)],
});

/** What a filter asks of a row, part by part. */
export function conditionsOf(filter: JobFilter): Condition[] {
  const { states, queue, type, tag, reference, schedule, before, after } = filter;
  const conditions: Condition[] = [];
  if (states !== undefined) conditions.push(inStates(states));
  if (queue !== undefined) conditions.push({ sql: 'queue = ?', values: [queue] });
  if (type !== undefined) conditions.push({ sql: 'type = ?', values: [type] });
  if (reference !== undefined) {
    conditions.push({ sql: 'reference_type = ? and reference_id = ?', values: [reference.type, reference.id] });
  }
  if (schedule !== undefined) conditions.push({ sql: 'schedule_name = ?', values: [schedule] });
  if (before !== undefined) conditions.push({ sql: 'inserted_at < ?', values: [before] });
  if (after !== undefined) conditions.push({ sql: 'inserted_at > ?', values: [after] });
  if (tag !== undefined) {
    conditions.push({
      sql: 'tags is not null and exists (select 1 from json_each(tags) as tag where tag.value = ?)',
      values: [tag],
    });
  }
  return conditions;
}

/** The index that a filter's rows are best found by in order of insertion; undefined: the table itself. */
export function indexFor(filter: JobFilter): 'jobs_reference' | 'jobs_schedule' | undefined {
  if (filter.reference !== undefined) return 'jobs_reference';
  return filter.schedule === undefined ? undefined : 'jobs_schedule';
}
