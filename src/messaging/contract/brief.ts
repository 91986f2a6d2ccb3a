import type { ClaimedJob, NewJob } from '../../job/job.ts';
import { timeText } from '../../kernel/clock.ts';
import { isEmpty } from '../../kernel/json.ts';
import type { Headers, Message } from '../bus.ts';
import { claimedView, scheduleView } from './job-view.ts';

const ANSWER_HEADER = 'Rota-Answer';
const BRIEF = 'brief';

/**
 * Headers of a request whose sender is content with a brief answer, as our own parts are; a node that does not know them
 * answers in full. A settlement's answer then lists no `settled`, the answer to an array of jobs has of each job only the
 * `id`, and of claimed jobs the first is whole: with `asFirst`, what the others do not say is as it is in the first.
 */
export const BRIEF_HEADERS: Headers = Object.freeze({ [ANSWER_HEADER]: BRIEF });

/** Whether a brief answer does. */
export const wantsBrief = ({ headers }: Message): boolean => headers[ANSWER_HEADER] === BRIEF;

/** A list of which the first is whole and the others may be brief. */
export interface AsFirst<T> {
  jobs: readonly T[];
  /** What the others do not say is as it is in the first. */
  asFirst?: boolean | undefined;
}

/** Each of a list by itself. What one does not say it shares with the first: of lists and objects only empty ones. */
export function wholeOnes<T extends object>({ jobs, asFirst }: AsFirst<T>): readonly T[] {
  const [first] = jobs;
  if (first === undefined || asFirst !== true) return jobs;
  return jobs.map((job) => (job === first ? job : { ...first, ...job }));
}

/**
 * {@link claimedView} of jobs for a worker of ours, as the fields of an {@link AsFirst} in JSON. Args that are at hand as text
 * stay text.
 */
export function briefClaimsText(jobs: readonly ClaimedJob[]): string {
  const [first, ...others] = jobs;
  if (first === undefined) return '"jobs":[]';
  const texts = others.map((job) => briefClaimText(job, first));
  return `"jobs":[${[JSON.stringify(claimedView(first)), ...texts].join(',')}],"asFirst":true`;
}

/** Where both have nothing they are the same; what is of some size is not compared. An id is a UUID, which needs no escape. */
function briefClaimText(job: ClaimedJob, first: ClaimedJob): string {
  let text = `{"id":"${job.id}","args":${job.argsText ?? JSON.stringify(job.args)}`;
  const say = (name: string, value: unknown): void => {
    text += `,"${name}":${JSON.stringify(value)}`;
  };
  if (job.run !== first.run) say('run', job.run);
  if (job.type !== first.type) say('type', job.type);
  if (job.queue !== first.queue) say('queue', job.queue);
  if (job.attempt !== first.attempt) say('attempt', job.attempt);
  if (job.maxAttempts !== first.maxAttempts) say('maxAttempts', job.maxAttempts);
  if (job.priority !== first.priority) say('priority', job.priority);
  if (job.timeoutMs !== first.timeoutMs) say('timeout', job.timeoutMs);
  if (!isEmpty(job.meta) || !isEmpty(first.meta)) say('meta', job.meta);
  if (job.tags.length + first.tags.length > 0) say('tags', job.tags);
  if (job.reference !== first.reference) say('reference', job.reference);
  if (job.schedule !== first.schedule) say('schedule', scheduleView(job.schedule));
  if (job.scheduledAt !== first.scheduledAt) say('scheduledAt', timeText(job.scheduledAt));
  if (job.insertedAt !== first.insertedAt) say('insertedAt', timeText(job.insertedAt));
  if (job.traceparent !== first.traceparent) say('traceparent', job.traceparent);
  return `${text}}`;
}

/** Jobs about to be stored: what the others do not say is as it is in the first. One that is unique is told whole where others are not. */
export function briefJobs(jobs: readonly NewJob[]): AsFirst<object> {
  const [first, ...others] = jobs;
  if (first === undefined || others.some(({ unique }) => (unique === undefined) !== (first.unique === undefined)))
    return { jobs };
  return { jobs: [first, ...others.map((job) => briefJob(job, first))], asFirst: true };
}

function briefJob(job: NewJob, first: NewJob): object {
  const brief: Partial<NewJob> = { id: job.id, args: job.args };
  if (job.unique !== undefined) brief.unique = job.unique;
  if (job.type !== first.type) brief.type = job.type;
  if (job.queue !== first.queue) brief.queue = job.queue;
  if (job.state !== first.state) brief.state = job.state;
  if (job.priority !== first.priority) brief.priority = job.priority;
  if (job.maxAttempts !== first.maxAttempts) brief.maxAttempts = job.maxAttempts;
  if (job.scheduledAt !== first.scheduledAt) brief.scheduledAt = job.scheduledAt;
  if (job.insertedAt !== first.insertedAt) brief.insertedAt = job.insertedAt;
  if (job.tags.length + first.tags.length > 0) brief.tags = job.tags;
  if (!isEmpty(job.meta) || !isEmpty(first.meta)) brief.meta = job.meta;
  if (job.reference !== first.reference) brief.reference = job.reference;
  if (job.schedule !== first.schedule) brief.schedule = job.schedule;
  if (job.backoff !== first.backoff) brief.backoff = job.backoff;
  if (job.timeoutMs !== first.timeoutMs) brief.timeoutMs = job.timeoutMs;
  if (job.deadlineAt !== first.deadlineAt) brief.deadlineAt = job.deadlineAt;
  if (job.traceparent !== first.traceparent) brief.traceparent = job.traceparent;
  return brief;
}
