import type { JobFilter } from '../job-store.ts';
import type { Value } from './connection.ts';
import { held } from './plain-text.ts';
import { words } from './sql-list.ts';

/** The values of a statement that is put together; each is named as it is added. */
export class Values {
  readonly list: Value[] = [];

  /** Adds a value; answers its name in the statement. */
  add(value: Value): string {
    this.list.push(value);
    return `$${this.list.length}`;
  }
}

/** What a filter asks of a row of `jobs`, all joined; `true` when it asks nothing. */
export function conditionOf(filter: JobFilter, values: Values): string {
  const { states, queue, type, tag, reference, schedule, before, after } = filter;
  const parts: string[] = [];
  if (states !== undefined) parts.push(`jobs.state = any(${values.add(words(states))}::text[])`);
  if (queue !== undefined) parts.push(`jobs.queue = ${values.add(queue)}`);
  if (type !== undefined) parts.push(`jobs.type = ${values.add(type)}`);
  if (reference !== undefined) {
    parts.push(`jobs.reference_type = ${values.add(held(reference.type))}`);
    parts.push(`jobs.reference_id = ${values.add(held(reference.id))}`);
  }
  if (schedule !== undefined) parts.push(`jobs.schedule_name = ${values.add(schedule)}`);
  if (before !== undefined) parts.push(`jobs.inserted_at < ${values.add(before)}`);
  if (after !== undefined) parts.push(`jobs.inserted_at > ${values.add(after)}`);
  if (tag !== undefined) {
    // As text, member by member: what JSON can hold as a text is more than PostgreSQL's own texts can.
    parts.push(`jobs.tags is not null and exists (select 1 from json_array_elements(jobs.tags::json) as tag (one)
      where tag.one::text = ${values.add(JSON.stringify(tag))})`);
  }
  return parts.length === 0 ? 'true' : parts.join(' and ');
}
