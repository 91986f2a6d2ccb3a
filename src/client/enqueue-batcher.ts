import { LIMITS } from '../job/limits.ts';
import { type ErrorCode, type Issue, RotaError } from '../kernel/error.ts';
import type { JobView } from '../messaging/contract/job-view.ts';
import type { JobBody } from './job-body.ts';
import { batches, loadOf } from './load.ts';

/**
 * What became of an enqueue. `conflict`: a job with this id or unique key was there already, and is answered. Where calls
 * travelled together `job.args` are those that were sent, not yet what a schema made of them, and null at a conflict.
 */
export interface Enqueued {
  id: string;
  job: JobView;
  conflict: boolean;
}

interface Call {
  body: JobBody;
  headers: Readonly<Record<string, string>>;
  settle: PromiseWithResolvers<Enqueued>;
}

/** Sends one request body to a queue and answers the reply's value. */
export type SendEnqueue = (queue: string, body: unknown, headers: Readonly<Record<string, string>>) => Promise<unknown>;

/** Gathers the enqueues of one turn of the event loop: they travel in one message, and one that is refused fails alone. */
export class EnqueueBatcher {
  readonly #send: SendEnqueue;
  readonly #waiting = new Map<string, Call[]>();

  constructor(send: SendEnqueue) {
    this.#send = send;
  }

  /** Enqueues one job. @throws RotaError what it was refused with */
  enqueue(queue: string, body: JobBody, headers: Readonly<Record<string, string>>): Promise<Enqueued> {
    const settle = Promise.withResolvers<Enqueued>();
    const calls = this.#waiting.get(queue) ?? [];
    if (this.#waiting.size === 0) queueMicrotask(() => this.#flush());
    this.#waiting.set(queue, calls);
    calls.push({ body, headers, settle });
    return settle.promise;
  }

  #flush(): void {
    const gathered = [...this.#waiting];
    this.#waiting.clear();
    for (const [queue, calls] of gathered) {
      const [only] = calls;
      if (calls.length === 1 && only !== undefined) {
        void this.#sendOne(queue, only);
        continue;
      }
      // A trace belongs to one call: those that carry headers travel alone.
      const isPlain = ({ headers }: Call): boolean => Object.keys(headers).length === 0;
      for (const call of calls) if (!isPlain(call)) void this.#sendOne(queue, call);
      const loads = calls.filter(isPlain).map((call) => ({ ...loadOf(call.body), call }));
      for (const batch of batches(loads, LIMITS.jobsPerRequestMax)) {
        const together = batch.map(({ call }) => call);
        const [first] = together;
        if (together.length === 1 && first !== undefined) void this.#sendOne(queue, first);
        else void this.#sendMany(queue, together);
      }
    }
  }

  async #sendOne(queue: string, call: Call): Promise<void> {
    try {
      const reply = (await this.#send(queue, call.body, call.headers)) as { job: JobView; conflict: boolean };
      call.settle.resolve({ id: reply.job.id, ...reply });
    } catch (error) {
      call.settle.reject(error);
    }
  }

  async #sendMany(queue: string, calls: readonly Call[]): Promise<void> {
    try {
      const reply = await this.#send(queue, { each: calls.map(({ body }) => body) }, {});
      const { each } = reply as { each: EachReply[] };
      for (const [index, call] of calls.entries()) settleOne(call, each[index]);
    } catch (error) {
      for (const call of calls) call.settle.reject(error);
    }
  }
}

type EachReply =
  | { job: JobView; conflict: boolean }
  | { error: { code: ErrorCode; message: string; issues?: Issue[] } };

function settleOne({ body, settle }: Call, reply: EachReply | undefined): void {
  if (reply === undefined) {
    settle.reject(new RotaError('unavailable', 'the reply left this job out'));
  } else if ('error' in reply) {
    const { code, message, issues = [] } = reply.error;
    settle.reject(new RotaError(code, message, { issues }));
  } else {
    // Bulk replies leave the args out.
    const args = reply.conflict ? null : ((body.args as JobView['args'] | undefined) ?? {});
    settle.resolve({ id: reply.job.id, job: { ...reply.job, args }, conflict: reply.conflict });
  }
}
