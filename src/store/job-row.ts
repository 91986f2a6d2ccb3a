import type { Job, JobReference, JobSchedule } from '../job/job.ts';
import { isTerminal, JOB_STATES, type JobState } from '../job/state.ts';
import { assert } from '../kernel/error.ts';
import { type Cell, integer, integerOrNull, json, jsonList, type Row, text, textOrNull } from './cell.ts';

const STATES = new Set<Cell>(JOB_STATES);

/** Reads a job's state. */
export function stateOf(cell: Cell): JobState {
  assert(STATES.has(cell), 'a state column holds a state');
  // Just looked up among the states.
  return cell as JobState;
}

/** Reads what a job stands for outside. */
export function referenceOf(type: Cell, id: Cell): JobReference | null {
  return type === null ? null : { type: text(type), id: text(id) };
}

/** Reads which schedule made a job. */
export function scheduleOf(name: Cell, at: Cell, late: Cell): JobSchedule | null {
  return name === null ? null : { name: text(name), at: integer(at), late: late === 1 };
}

/** Reads a row of a whole job: its columns by their names, `node` and `worker` by its runner. */
export function jobOf(row: Row): Job {
  const state = stateOf(row.state);
  const run = integer(row.run);
  return {
    id: text(row.id),
    type: text(row.type),
    queue: text(row.queue),
    state,
    args: json(row.args),
    priority: integer(row.priority),
    attempt: integer(row.attempt),
    maxAttempts: integer(row.max_attempts),
    run,
    scheduledAt: integer(row.scheduled_at),
    insertedAt: integer(row.inserted_at),
    attemptedAt: run > 0 ? integer(row.attempted_at) : null,
    finishedAt: isTerminal(state) ? integer(row.finished_at) : null,
    node: textOrNull(row.node),
    worker: textOrNull(row.worker),
    tags: jsonList<string>(row.tags),
    meta: json<Job['meta'] | null>(row.meta) ?? {},
    reference: referenceOf(row.reference_type, row.reference_id),
    result: json(row.result),
    errors: jsonList<Job['errors'][number]>(row.errors),
    progress: json(row.progress),
    schedule: scheduleOf(row.schedule_name, row.schedule_at, row.schedule_late),
    backoff: json<Job['backoff']>(row.backoff),
    timeoutMs: integerOrNull(row.timeout_ms),
    deadlineAt: integerOrNull(row.deadline_at),
    traceparent: textOrNull(row.traceparent),
  };
}
