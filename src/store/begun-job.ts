import type { ClaimedJob, JobReference, JobSchedule, NewJob } from '../job/job.ts';
import type { Json } from '../kernel/json.ts';
import { json } from './cell.ts';

const NO_TAGS: string[] = [];
const NO_META: { [key: string]: Json } = {};
Object.freeze(NO_TAGS);
Object.freeze(NO_META);

/**
 * A plain job that began as it was stored: what it was stored with, and its args as text. They are made anew at each look, so
 * that who inserted it and who runs it share no object; who writes its answer need not look. For answers to claims alone, which
 * name what they say: no codec sees what is no field of its own.
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
