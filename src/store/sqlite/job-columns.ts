/** What a whole job is read from. */
export const JOB_COLUMNS = `id, queue, type, state, priority, attempt, max_attempts, run, scheduled_at, inserted_at,
  attempted_at, finished_at, timeout_ms, deadline_at, (select node from workers where key = runner) as node,
  (select worker from workers where key = runner) as worker, reference_type, reference_id, schedule_name, schedule_at,
  schedule_late, traceparent, backoff, tags, meta, args, errors, result, progress`;

/** What an attempt's row is read from, for a table `jobs`. */
export const ATTEMPT_COLUMNS = `jobs.seq, jobs.id, jobs.queue, jobs.type, jobs.state, jobs.attempt, jobs.max_attempts,
  jobs.run, jobs.scheduled_at, jobs.attempted_at, jobs.finished_at, jobs.settled_run, jobs.settled_as, jobs.missed_at,
  jobs.terminate, (select worker from workers where key = jobs.runner), jobs.schedule_name, jobs.schedule_at,
  jobs.schedule_late, jobs.backoff, jobs.errors, jobs.result, jobs.inserted_at`;

/** What a whole schedule is read from, with the states of its last jobs. */
export const SCHEDULE_ROWS = `select schedules.*, length(cast(declaration as blob)) as bytes,
    last.state as last_state, ran.state as ran_state
  from schedules left join jobs as last on last.id = last_job_id left join jobs as ran on ran.id = ran_job_id`;
