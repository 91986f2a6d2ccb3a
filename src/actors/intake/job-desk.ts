import type { Job } from '../../job/job.ts';
import type { Clock } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
import { canonicalJson, type Json } from '../../kernel/json.ts';
import type { Bus, Message } from '../../messaging/bus.ts';
import {
  JOB_VERBS,
  readCancel,
  readCount,
  readGet,
  readList,
  readTarget,
  readUpdate,
  readWait,
} from '../../messaging/contract/job-requests.ts';
import { jobView } from '../../messaging/contract/job-view.ts';
import { unknownVerb } from '../../messaging/contract/request.ts';
import { listBytesMax } from '../../messaging/payload.ts';
import { answer, answerCodec, refuse } from '../../messaging/reply.ts';
import type { ChangeAnswer } from '../../store/change-verbs.ts';
import type { StoreAnswer, StoreOptions } from '../../store/job-store.ts';
import type { StoreClient } from '../store-client.ts';
import { checkedArgs } from './checked-args.ts';
import type { Registry } from './registry.ts';
import { type SweepOptions, sweep } from './sweep.ts';
import type { WaitRoom } from './wait-room.ts';

/** What the desk asks. */
export interface JobDeskWorld {
  store: StoreClient;
  bus: Bus;
  clock: Clock;
  waitRoom: WaitRoom;
  registry: Registry;
}

/** Serves `job.get|list|count|wait|cancel|retry|delete|update`. Each method throws a RotaError for what it refuses. */
export class JobDesk {
  readonly #world: JobDeskWorld;

  constructor(world: JobDeskWorld) {
    this.#world = world;
  }

  /** Deals with one request. @throws RotaError what it is refused with */
  async serve(verb: string, message: Message): Promise<void> {
    const body = message.body.value;
    switch (JOB_VERBS.find((word) => word === verb)) {
      case 'get':
        return answer(message, jobView(await this.#get(readGet(body).id)));
      case 'list':
        return this.#list(message);
      case 'count':
        return answer(message, await this.#world.store.ask('count', readCount(body)));
      case 'wait':
        // Not awaited: a wait may take a minute and must not count against the inbox; the wait room has its own bound.
        this.#wait(message).catch((error: unknown) => refuse(message, error));
        return;
      case 'cancel':
        return this.#cancel(message);
      case 'retry':
        return this.#retry(message);
      case 'delete':
        return this.#delete(message);
      case 'update':
        return this.#update(message);
      case undefined:
        throw unknownVerb(verb, 'jobs', JOB_VERBS);
    }
  }

  async #get(id: string): Promise<Job> {
    const [job] = await this.#world.store.ask('get', { ids: [id.toLowerCase()] });
    if (job === undefined) throw notFound(id);
    return job;
  }

  async #list(message: Message): Promise<void> {
    const bytesMax = listBytesMax(this.#world.bus.payloadBytesMax, answerCodec(message));
    const options = { ...readList(message.body.value), bytesMax };
    const page = await this.#world.store.ask('list', options).catch((error: unknown) => {
      throw options.cursor !== undefined && isInvalid(error) ? badCursor(error) : error;
    });
    answer(message, { jobs: page.jobs.map(jobView), cursor: page.cursor });
  }

  async #wait(message: Message): Promise<void> {
    const { id, timeoutMs } = readWait(message.body.value);
    const { job, timedOut } = await this.#world.waitRoom.wait(id.toLowerCase(), timeoutMs);
    answer(message, { ...jobView(job), ...(timedOut ? { timedOut } : {}) });
  }

  async #cancel(message: Message): Promise<void> {
    const { terminate, ...target } = readCancel(message.body.value);
    if ('filter' in target) return this.#sweep(message, { action: 'cancel', filter: target.filter, terminate });
    const { id } = target;
    this.#answerChange(message, await this.#change('cancel', { id, terminate }), { id, verb: 'cancelled' });
  }

  async #retry(message: Message): Promise<void> {
    const target = readTarget(message.body.value);
    if ('filter' in target) return this.#sweep(message, { action: 'retry', ...target });
    this.#answerChange(message, await this.#change('retry', target), { ...target, verb: 'retried' });
  }

  async #delete(message: Message): Promise<void> {
    const target = readTarget(message.body.value);
    if ('filter' in target) return this.#sweep(message, { action: 'delete', ...target });
    this.#answerChange(message, await this.#change('delete', target), { ...target, verb: 'deleted' });
  }

  async #update(message: Message): Promise<void> {
    const { id, changes } = readUpdate(message.body.value);
    const { args, queue } = changes;
    if (queue !== undefined) await this.#world.registry.mustKnowQueue(queue);
    const checked = args === undefined ? changes : { ...changes, args: await this.#argsOf(id, args) };
    this.#answerChange(message, await this.#change('update', { id, changes: checked }), { id, verb: 'updated' });
  }

  /** New args as the schema of the job's type makes them; a type never changes, so looking first is safe. */
  async #argsOf(id: string, value: Json): Promise<Json> {
    const { type, args } = await this.#get(id);
    // A schema's output was stored, which need not be an input of it: given back, it stays.
    if (canonicalJson(args) === canonicalJson(value)) return args;
    const checked = await checkedArgs(this.#world.registry.definition(type), value, { type, path: 'args' });
    if ('error' in checked) throw checked.error;
    return checked.args;
  }

  #change<V extends 'cancel' | 'retry' | 'delete' | 'update'>(
    verb: V,
    options: Omit<StoreOptions<V>, 'now'> & { id: string },
  ): Promise<StoreAnswer<V>> {
    const { store, clock } = this.#world;
    // The options of a verb with `now` are the verb's options, which the compiler does not see for a type parameter.
    const whole = { ...options, id: options.id.toLowerCase(), now: clock.now() } as unknown as StoreOptions<V>;
    return store.ask(verb, whole);
  }

  #answerChange(message: Message, { job, conflict }: ChangeAnswer, asked: { id: string; verb: string }): void {
    if (job === null) throw notFound(asked.id);
    if (conflict) throw new RotaError('conflict', `a job that is ${job.state} cannot be ${asked.verb}`);
    answer(message, jobView(job));
  }

  async #sweep(message: Message, options: SweepOptions): Promise<void> {
    answer(message, { count: await sweep(this.#world, options) });
  }
}

const isInvalid = (error: unknown): error is RotaError =>
  error instanceof RotaError && error.code === 'invalid_request';

/** Only the store can tell that a cursor is none of its own. */
function badCursor(cause: RotaError): RotaError {
  const { message } = cause;
  return new RotaError('invalid_request', message, { issues: [{ path: 'cursor', message }], cause });
}

function notFound(id: string): RotaError {
  return new RotaError('not_found', `there is no job ${id}`);
}
