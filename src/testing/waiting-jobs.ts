import type { JobQuery, RotaClient } from '../client/rota-client.ts';
import type { AnyJobDefinition } from '../job/definition.ts';
import type { JobReference } from '../job/job.ts';
import { isRecord } from '../kernel/check.ts';
import type { JobView } from '../messaging/contract/job-view.ts';

/** The states in which a job waits to be run. */
export type WaitingState = 'available' | 'scheduled' | 'retryable';

/** Which waiting jobs; all given parts must hold. */
export interface WaitingFilter {
  /** A type by name, or its definition. */
  type?: string | AnyJobDefinition;
  queue?: string;
  state?: WaitingState;
  /** Fields that the args must have, at any depth; others may stand beside them. Lists must fit whole. */
  args?: unknown;
  meta?: unknown;
  /** Tags that it must have, beside others. */
  tags?: readonly string[];
  reference?: JobReference;
  /** The schedule that made it. */
  schedule?: string;
}

const WAITING: readonly WaitingState[] = ['available', 'scheduled', 'retryable'];
const PAGE = 500;

/** The jobs that wait and fit, in the order in which they were enqueued. */
export async function waitingJobs(client: RotaClient, filter: WaitingFilter = {}): Promise<JobView[]> {
  const { type, queue, state, args, meta, tags = [], reference, schedule } = filter;
  const query: JobQuery = {
    state: state ?? WAITING,
    ...(type === undefined ? {} : { type: typeof type === 'string' ? type : type.type }),
    ...(queue === undefined ? {} : { queue }),
    ...(reference === undefined ? {} : { reference }),
    ...(schedule === undefined ? {} : { schedule }),
  };
  const found: JobView[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page = await client.list({
      ...query,
      order: 'asc',
      limit: PAGE,
      ...(cursor === undefined ? {} : { cursor }),
    });
    found.push(...page.jobs);
    cursor = page.cursor;
  }
  const wanted = tags.map((tag) => tag.toLowerCase());
  return found.filter(
    (job) => contains(job.args, args) && contains(job.meta, meta) && wanted.every((tag) => job.tags.includes(tag)),
  );
}

/** Whether a JSON value has what is wanted of it; `undefined` wants nothing. */
export function contains(value: unknown, wanted: unknown): boolean {
  if (wanted === undefined) return true;
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(value) &&
      value.length === wanted.length &&
      wanted.every((entry, index) => contains(value[index], entry))
    );
  }
  if (!isRecord(wanted)) return Object.is(value, wanted);
  return isRecord(value) && Object.entries(wanted).every(([key, entry]) => contains(value[key], entry));
}
