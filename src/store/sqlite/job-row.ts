import type { Job, JobReference, JobSchedule } from '../../job/job.ts';
import { JOB_STATES, type JobState } from '../../job/state.ts';
import { assert } from '../../kernel/error.ts';
import { type Cell, integer, integerOrNull, json, type Row, text, textOrNull } from './cell.ts';

/** What a whole job is read from. */
export const JOB_COLUMNS = `id, queue, type, state, priority, attempt, max_attempts, run, scheduled_at, inserted_at,
  attempted_at, finished_at, timeout_ms, node, worker, reference_type, reference_id, schedule_name, schedule_at,
  schedule_late, traceparent, backoff, tags, meta, args, errors, result, progress`;

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

/** Reads a row of {@link JOB_COLUMNS}. */
export function jobOf(row: Row): Job {
  return {
    id: text(row.id),
    type: text(row.type),
    queue: text(row.queue),
    state: stateOf(row.state),
    args: json(row.args),
    priority: integer(row.priority),
    attempt: integer(row.attempt),
    maxAttempts: integer(row.max_attempts),
    run: integer(row.run),
    scheduledAt: integer(row.scheduled_at),
    insertedAt: integer(row.inserted_at),
    attemptedAt: integerOrNull(row.attempted_at),
    finishedAt: integerOrNull(row.finished_at),
    node: textOrNull(row.node),
    worker: textOrNull(row.worker),
    tags: json<string[]>(row.tags),
    meta: json<Job['meta']>(row.meta),
    reference: referenceOf(row.reference_type, row.reference_id),
    result: json(row.result),
    errors: json<Job['errors']>(row.errors),
    progress: json(row.progress),
    schedule: scheduleOf(row.schedule_name, row.schedule_at, row.schedule_late),
    backoff: json<Job['backoff']>(row.backoff),
    timeoutMs: integerOrNull(row.timeout_ms),
    traceparent: textOrNull(row.traceparent),
  };
}
