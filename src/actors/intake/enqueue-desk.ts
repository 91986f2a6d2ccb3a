import type { NewJob } from '../../job/job.ts';
import { checkArgs, type JobRequest, newJob, requestFaultCode, traceparentText } from '../../job/job-request.ts';
import { ISSUES_MAX, Issues } from '../../kernel/check.ts';
import type { Clock } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
import { type IdSource, isToken } from '../../kernel/identity.ts';
import type { Bus, Headers, Message } from '../../messaging/bus.ts';
import { readEnqueue } from '../../messaging/contract/enqueue.ts';
import { jobView } from '../../messaging/contract/job-view.ts';
import { answer } from '../../messaging/reply.ts';
import { tokensAfter } from '../../messaging/subjects.ts';
import type { InsertResult } from '../../store/job-store.ts';
import type { StoreClient } from '../store-client.ts';
import type { Registry } from './registry.ts';

/** What the desk asks. */
export interface EnqueueDeskWorld {
  store: StoreClient;
  registry: Registry;
  clock: Clock;
  newId: IdSource;
}

type Built = { job: NewJob } | { error: RotaError };

/** Serves `enqueue.<queue>`: checks, refuses or stores, and answers after the commit. */
export class EnqueueDesk {
  readonly #world: EnqueueDeskWorld;

  constructor(world: EnqueueDeskWorld) {
    this.#world = world;
  }

  /** Deals with one request. @throws RotaError what it is refused with */
  async serve(message: Message): Promise<void> {
    const queue = await this.#queueOf(message.subject);
    const body = readEnqueue(message.body.value);
    const traceparent = traceparentText(headerOf(message.headers, 'traceparent'));
    const build = (request: JobRequest, path: string): Promise<Built> =>
      this.#build(request, { queue, traceparent, path });
    switch (body.kind) {
      case 'one': {
        const [job] = jobsOf(await Promise.all(body.requests.map((request) => build(request, ''))));
        const [result] = await this.#insert(job === undefined ? [] : [job]);
        if (result === undefined) throw new RotaError('unavailable', 'the store did not answer with the job');
        return answer(message, { job: jobView(result.job), conflict: result.conflict });
      }
      case 'many': {
        const jobs = jobsOf(await Promise.all(body.requests.map((request, index) => build(request, String(index)))));
        return answer(message, { jobs: (await this.#insert(jobs)).map(bulkView) });
      }
      case 'each': {
        const built = await Promise.all(
          body.entries.map((entry) => ('error' in entry ? entry : build(entry.request, ''))),
        );
        const results = await this.#insert(built.flatMap((entry) => ('job' in entry ? [entry.job] : [])));
        let next = 0;
        const each = built.map((entry) => {
          if ('error' in entry) return { error: errorView(entry.error) };
          const result = results[next++];
          return result === undefined
            ? { error: { code: 'unavailable', message: 'the store gave no answer' } }
            : bulkView(result);
        });
        return answer(message, { each });
      }
    }
  }

  async #queueOf(subject: string): Promise<string> {
    const [queue = '', ...rest] = tokensAfter(subject, 2);
    if (!isToken(queue) || rest.length > 0) {
      const text = 'must be one token: 1 to 64 of A-Z a-z 0-9 _ -';
      throw new RotaError('invalid_request', `the queue in the subject ${text}`, {
        issues: [{ path: 'queue', message: text }],
      });
    }
    if (!(await this.#world.registry.knowsQueue(queue))) {
      throw new RotaError('not_found', `no living node's config names the queue "${queue}"`);
    }
    return queue;
  }

  async #build(
    request: JobRequest,
    place: { queue: string; traceparent: string | null; path: string },
  ): Promise<Built> {
    const { registry, clock, newId } = this.#world;
    const prefix = place.path === '' ? '' : `${place.path}.`;
    const definition = registry.definition(request.type);
    if (definition === undefined && !(await registry.knowsType(request.type))) {
      const message = `no living node's config names the type "${request.type}"`;
      return { error: new RotaError('unknown_type', message, { issues: [{ path: `${prefix}type`, message }] }) };
    }
    const issues = new Issues();
    const args = await checkArgs(definition, request.args ?? {}, { path: `${prefix}args`, issues });
    if (args === undefined) {
      const first = issues.list[0];
      const code = requestFaultCode(issues) === 'too_large' ? 'too_large' : 'invalid_args';
      const text = first === undefined ? 'the args are not valid' : `${first.path} ${first.message}`;
      return { error: new RotaError(code, text, { issues: issues.list }) };
    }
    const { queue, traceparent } = place;
    return { job: newJob({ ...request, args }, { now: clock.now(), newId, queue, definition, traceparent }) };
  }

  async #insert(jobs: readonly NewJob[]): Promise<InsertResult[]> {
    return jobs.length === 0 ? [] : this.#world.store.ask('insert', { jobs });
  }
}

/** A header by its name in lower case, however its sender writes it. */
function headerOf(headers: Headers, name: string): string | undefined {
  for (const [key, value] of Object.entries(headers)) if (key.toLowerCase() === name) return value;
  return undefined;
}

/** All jobs, or the first refusal with everybody's issues. */
function jobsOf(built: readonly Built[]): NewJob[] {
  const errors = built.flatMap((entry) => ('error' in entry ? [entry.error] : []));
  const [first] = errors;
  if (first !== undefined) {
    throw new RotaError(first.code, first.message, { issues: errors.flatMap(({ issues }) => issues).slice(0, ISSUES_MAX) });
  }
  return built.flatMap((entry) => ('job' in entry ? [entry.job] : []));
}

/** In bulk the args stay away, so that a reply never outgrows the server. */
const bulkView = ({ job, conflict }: InsertResult) => ({ job: { ...jobView(job), args: null }, conflict });

const errorView = ({ code, message, issues }: RotaError) => ({
  code,
  message,
  ...(issues.length > 0 ? { issues } : {}),
});
