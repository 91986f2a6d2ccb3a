import type { NewJob } from '../../job/job.ts';
import { ISSUES_MAX } from '../../kernel/check.ts';
import { RotaError } from '../../kernel/error.ts';
import type { IdSource } from '../../kernel/identity.ts';
import { Body } from '../../messaging/body.ts';
import type { Bus, Message } from '../../messaging/bus.ts';
import { wantsBrief } from '../../messaging/contract/brief.ts';
import { readEnqueue } from '../../messaging/contract/enqueue.ts';
import { bareJobText, isBare, jobView } from '../../messaging/contract/job-view.ts';
import { REPLY_FRAME_BYTES } from '../../messaging/payload.ts';
import { answer, answerCodec } from '../../messaging/reply.ts';
import type { InsertResult } from '../../store/job-store.ts';
import type { StoreClient } from '../store-client.ts';
import { type JobBuilder, type JobPlace, traceparentOf } from './job-builder.ts';

/** What the desk asks. */
export interface EnqueueDeskWorld {
  bus: Bus;
  store: StoreClient;
  builder: JobBuilder;
  newId: IdSource;
}

/** Serves `enqueue.<queue>`: checks, refuses or stores, and answers after the commit. */
export class EnqueueDesk {
  readonly #world: EnqueueDeskWorld;

  constructor(world: EnqueueDeskWorld) {
    this.#world = world;
  }

  /** Deals with one request. @throws RotaError what it is refused with */
  async serve(message: Message): Promise<void> {
    const { builder, newId } = this.#world;
    const known = builder.queueOf(message.subject);
    const queue = typeof known === 'string' ? known : await known;
    const body = readEnqueue(message.body.value);
    const place: JobPlace = { queue, traceparent: traceparentOf(message.headers), idAt: newId };
    switch (body.kind) {
      case 'one': {
        const checked = builder.checkAll(body.requests, { many: false });
        const jobs = builder.jobs(checked instanceof Promise ? await checked : checked, place);
        const [result] = await this.#insert(jobs);
        if (result === undefined) throw new RotaError('unavailable', 'the store did not answer with the job');
        // Args that were too large for the way back are those of the request.
        const args = result.conflict ? result.job.args : (result.job.args ?? jobs[0]?.args ?? null);
        return answer(message, { job: jobView({ ...result.job, args }), conflict: result.conflict });
      }
      case 'many': {
        const checked = builder.checkAll(body.requests, { many: true });
        const jobs = builder.jobs(checked instanceof Promise ? await checked : checked, place);
        const results = await this.#insert(jobs);
        if (results.length < jobs.length) throw NO_ANSWER.error;
        if (wantsBrief(message)) return answer(message, { jobs: jobs.map((job, at) => briefView(job, results[at])) });
        return this.#answerBulk(message, results, 'jobs');
      }
      case 'each': {
        const checked = await Promise.all(
          body.entries.map((entry, index) => ('error' in entry ? entry : builder.check(entry.request, index, ''))),
        );
        const good = checked.flatMap((entry) => ('request' in entry ? [entry] : []));
        const results = await this.#insert(builder.jobs(good, place));
        const left = results.values();
        const entries = checked.map((entry) => ('error' in entry ? entry : (left.next().value ?? NO_ANSWER)));
        return this.#answerBulk(message, entries, 'each');
      }
    }
  }

  /** Answers with the fullest views that the server takes: what was stored must not be answered by an error. */
  #answerBulk(message: Message, entries: readonly BulkEntry[], field: 'jobs' | 'each'): void {
    const bytesMax = this.#world.bus.payloadBytesMax - REPLY_FRAME_BYTES;
    const codec = answerCodec(message);
    const bodyOf = (view: BulkView): Body => Body.of({ [field]: entries.map(view) }, codec);
    // Measuring is encoding, which an answer that stays in this process need not be; so the usual case is estimated.
    if (entries.length * BARE_BYTES_MAX <= bytesMax && entries.every(isBareEntry)) {
      const body = codec === 'json' ? Body.ofText(bareText(field, entries), undefined) : bodyOf(bulkView);
      message.respond({ body });
      return;
    }
    const fits = ({ bytes }: Body): boolean => bytes.length <= bytesMax;
    let body = bodyOf(bulkView);
    if (!fits(body)) body = bodyOf(leanView);
    if (!fits(body)) body = bodyOf(bareView);
    message.respond({ body });
  }

  async #insert(jobs: readonly NewJob[]): Promise<InsertResult[]> {
    return jobs.length === 0 ? [] : this.#world.store.ask('insert', { jobs });
  }
}

type BulkEntry = InsertResult | { error: RotaError };
type BulkView = (entry: BulkEntry) => object;

/** A view of a bare job has no more bytes than this: names as long as they may be, and nothing free. */
const BARE_BYTES_MAX = 1_024;
const isBareEntry = (entry: BulkEntry): entry is InsertResult => 'job' in entry && !entry.conflict && isBare(entry.job);

/** The usual answer, put together as text. */
const bareText = (field: 'jobs' | 'each', entries: readonly InsertResult[]): string =>
  `{"${field}":[${entries.map(({ job }) => `{"job":${bareJobText(job)},"conflict":false}`).join(',')}]}`;

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

/** For who asks so; every reply has room for it. */
const briefView = ({ id }: NewJob, result: InsertResult | undefined): object =>
  result?.conflict ? { job: { id: result.job.id }, conflict: true } : { job: { id }, conflict: false };

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
