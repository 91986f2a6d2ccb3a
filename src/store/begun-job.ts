import type { ClaimedJob, JobReference, JobSchedule, NewJob } from '../job/job.ts';
import type { Json } from '../kernel/json.ts';
import { json } from './cell.ts';

const NO_TAGS: string[] = [];
const NO_META: { [key: string]: Json } = {};
Object.freeze(NO_TAGS);
Object.freeze(NO_META);

/**
 * A plain job that began as it was stored: what it was stored with, and its args as text. They are made anew at each look, so
 * that who inserted it and who runs it share no object; who writes its answer need not look. No codec sees what is no field
 * of its own: where a claim's answer does not name what it says, see {@link wholeClaim}.
 */
export class BegunJob implements ClaimedJob {
  readonly id: string;
  readonly argsText: string;
  readonly #stored: NewJob;

  constructor(stored: NewJob, argsText: string) {
    this.id = stored.id;
    this.argsText = argsText;
    this.#stored = stored;
  }

  get args(): Json {
    return json(this.argsText);
  }

  get run(): number {
    return 1;
  }

  get attempt(): number {
    return 1;
  }

  get type(): string {
    return this.#stored.type;
  }

  get queue(): string {
    return this.#stored.queue;
  }

  get maxAttempts(): number {
    return this.#stored.maxAttempts;
  }

  get priority(): number {
    return this.#stored.priority;
  }

  get scheduledAt(): number {
    return this.#stored.scheduledAt;
  }

  get insertedAt(): number {
    return this.#stored.insertedAt;
  }

  get timeoutMs(): null {
    return null;
  }

  get reference(): JobReference | null {
    return null;
  }

  get schedule(): JobSchedule | null {
    return null;
  }

  get traceparent(): null {
    return null;
  }

  get tags(): string[] {
    return NO_TAGS;
  }

  get meta(): { [key: string]: Json } {
    return NO_META;
  }
}

/** A claimed job with all that it says as fields of its own. */
export function wholeClaim(job: ClaimedJob): ClaimedJob {
  const { id, run, type, queue, args, attempt, maxAttempts, priority, timeoutMs } = job;
  const { meta, tags, reference, schedule, scheduledAt, insertedAt, traceparent } = job;
  return {
    ...{ id, run, type, queue, args, attempt, maxAttempts, priority, timeoutMs },
    ...{ meta, tags, reference, schedule, scheduledAt, insertedAt, traceparent },
  };
}
