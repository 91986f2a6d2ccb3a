import type { AnyJobDefinition } from '../../job/definition.ts';
import type { NewJob } from '../../job/job.ts';
import { checkArgs, type JobRequest, newJob, requestFaultCode, traceparentText } from '../../job/job-request.ts';
import { ISSUES_MAX, Issues } from '../../kernel/check.ts';
import type { Clock } from '../../kernel/clock.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import { type IdSource, isToken } from '../../kernel/identity.ts';
import { Body } from '../../messaging/body.ts';
import type { Bus, Headers, Message } from '../../messaging/bus.ts';
import { readEnqueue } from '../../messaging/contract/enqueue.ts';
import { jobView } from '../../messaging/contract/job-view.ts';
import { answer, answerCodec } from '../../messaging/reply.ts';
import { tokensAfter } from '../../messaging/subjects.ts';
import type { InsertResult } from '../../store/job-store.ts';
import type { StoreClient } from '../store-client.ts';
import type { Registry } from './registry.ts';

/** What the desk asks. */
export interface EnqueueDeskWorld {
  bus: Bus;
  store: StoreClient;
  registry: Registry;
  clock: Clock;
  newId: IdSource;
}

/** Where a job goes and what comes with its request. */
interface Place {
  queue: string;
  traceparent: string | null;
}

/** What a checked request becomes a job with, or why it does not. */
type Checked = { request: JobRequest; definition: AnyJobDefinition | undefined } | { error: RotaError };

/** Bytes of a reply that are not jobs. */
const REPLY_FRAME_BYTES = 4_096;

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
    const place = { queue, traceparent: traceparentText(headerOf(message.headers, 'traceparent')) };
    switch (body.kind) {
      case 'one': {
        const checked = await Promise.all(body.requests.map((request) => this.#check(request, '')));
        const [result] = await this.#insert(this.#jobs(allOf(checked), place));
        if (result === undefined) throw new RotaError('unavailable', 'the store did not answer with the job');
        return answer(message, { job: jobView(result.job), conflict: result.conflict });
      }
      case 'many': {
        const checked = await Promise.all(body.requests.map((request, index) => this.#check(request, `${index}.`)));
        const results = await this.#insert(this.#jobs(allOf(checked), place));
        return this.#answerBulk(message, results, (jobs) => ({ jobs }));
      }
      case 'each': {
        const checked = await Promise.all(
          body.entries.map((entry) => ('error' in entry ? entry : this.#check(entry.request, ''))),
        );
        const good = checked.flatMap((entry) => ('request' in entry ? [entry] : []));
        const results = await this.#insert(this.#jobs(good, place));
        const left = results.values();
        const entries = checked.map((entry) => ('error' in entry ? entry : (left.next().value ?? NO_ANSWER)));
        return this.#answerBulk(message, entries, (each) => ({ each }));
      }
    }
  }

  /** Answers with the fullest views that the server takes: what was stored must not be answered by an error. */
  #answerBulk(message: Message, entries: readonly BulkEntry[], reply: (views: object[]) => object): void {
    const bytesMax = this.#world.bus.payloadBytesMax - REPLY_FRAME_BYTES;
    const codec = answerCodec(message);
    const bodyOf = (view: BulkView): Body => Body.of(reply(entries.map(view)), codec);
    // Measuring is encoding, which an answer that stays in this process need not be; so the usual case is estimated.
    const small = entries.length * PLAIN_BYTES_MAX <= bytesMax && entries.every(isPlain);
    const fits = ({ bytes }: Body): boolean => bytes.length <= bytesMax;
    let body = bodyOf(bulkView);
    if (!small && !fits(body)) body = bodyOf(leanView);
    if (!small && !fits(body)) body = bodyOf(bareView);
    message.respond({ body });
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

  /** @param prefix what comes before a field in the path of an issue */
  async #check(request: JobRequest, prefix: string): Promise<Checked> {
    const { registry } = this.#world;
    const definition = registry.definition(request.type);
    if (definition === undefined && !(await registry.knowsType(request.type))) {
      const message = `no living node's config names the type "${request.type}"`;
      return { error: new RotaError('unknown_type', message, { issues: [{ path: `${prefix}type`, message }] }) };
    }
    const issues = new Issues();
    const path = `${prefix}args`;
    const args = await checkArgs(definition, request.args ?? {}, { path, issues }).catch((error: unknown) =>
      issues.add(path, `cannot be checked: the schema of "${request.type}" failed: ${errorText(error)}`),
    );
    if (args !== undefined) return { request: { ...request, args }, definition };
    const first = issues.list[0];
    const code = requestFaultCode(issues) === 'too_large' ? 'too_large' : 'invalid_args';
    const text = first === undefined ? 'the args are not valid' : `${first.path} ${first.message}`;
    return { error: new RotaError(code, text, { issues: issues.list }) };
  }

  /** All at once and in order, however long each took to be checked: ids rise in the order of the request. */
  #jobs(checked: readonly Exclude<Checked, { error: RotaError }>[], place: Place): NewJob[] {
    const { clock, newId } = this.#world;
    const now = clock.now();
    return checked.map(({ request, definition }) => newJob(request, { ...place, now, newId, definition }));
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

/** All of them, or the first refusal with everybody's issues. */
function allOf(checked: readonly Checked[]): Exclude<Checked, { error: RotaError }>[] {
  const errors = checked.flatMap((entry) => ('error' in entry ? [entry.error] : []));
  const [first] = errors;
  if (first !== undefined) {
    const issues = errors.flatMap((error) => error.issues).slice(0, ISSUES_MAX);
    throw new RotaError(first.code, first.message, { issues });
  }
  return checked.flatMap((entry) => ('request' in entry ? [entry] : []));
}

type BulkEntry = InsertResult | { error: RotaError };
type BulkView = (entry: BulkEntry) => object;

/** A view of a plain job has no more bytes than this: names as long as they may be, and nothing free. */
const PLAIN_BYTES_MAX = 1_024;
const isPlain = (entry: BulkEntry): boolean =>
  'job' in entry &&
  !entry.conflict &&
  entry.job.tags.length === 0 &&
  entry.job.reference === null &&
  Object.keys(entry.job.meta).length === 0;

const NO_ANSWER = { error: new RotaError('unavailable', 'the store gave no answer') };

/** In bulk the args stay away, so that a reply hardly ever outgrows the server. */
const bulkView: BulkView = (entry) => {
  if ('error' in entry) return { error: errorView(entry.error, ISSUES_MAX) };
  return { job: { ...jobView(entry.job), args: null }, conflict: entry.conflict };
};

/** It still may, with existing jobs that have results or with many faults: then what can be large stays away too. */
const leanView: BulkView = (entry) => {
  if ('error' in entry) return { error: errorView(entry.error, 1) };
  const large = { args: null, meta: null, tags: null, result: null, errors: null, progress: null };
  return { job: { ...jobView(entry.job), ...large }, conflict: entry.conflict };
};

/** What every reply has room for. */
const bareView: BulkView = (entry) => {
  if ('error' in entry) return { error: { code: entry.error.code, message: entry.error.message.slice(0, 256) } };
  const { id, type, queue, state } = entry.job;
  return { job: { id, type, queue, state }, conflict: entry.conflict };
};

const errorView = ({ code, message, issues }: RotaError, issuesMax: number) => ({
  code,
  message,
  ...(issues.length > 0 ? { issues: issues.slice(0, issuesMax) } : {}),
});
