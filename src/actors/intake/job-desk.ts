import type { Job } from '../../job/job.ts';
import { statesAllowing } from '../../job/life.ts';
import type { Clock } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
import type { Bus, Message } from '../../messaging/bus.ts';
import {
  type Filter,
  readCancel,
  readCount,
  readGet,
  readList,
  readWait,
} from '../../messaging/contract/job-requests.ts';
import { jobView } from '../../messaging/contract/job-view.ts';
import { answer, refuse } from '../../messaging/reply.ts';
import type { StoreClient } from '../store-client.ts';
import type { WaitRoom } from './wait-room.ts';

/** What the desk asks. */
export interface JobDeskWorld {
  store: StoreClient;
  bus: Bus;
  clock: Clock;
  waitRoom: WaitRoom;
}

/** The verbs of `job.<verb>` that are served. */
export const JOB_VERBS = ['get', 'list', 'count', 'wait', 'cancel'] as const;

/** Bytes of a list reply that are not jobs. */
const REPLY_FRAME_BYTES = 4_096;
/** Jobs that one step of a bulk verb takes. */
const BULK_CHUNK = 500;

/** Serves `job.get|list|count|wait|cancel`. Each method throws a RotaError for what it refuses. */
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
      case undefined: {
        const text = `"${verb}" is no verb of jobs; there are ${JOB_VERBS.join(', ')}`;
        throw new RotaError('invalid_request', text, { issues: [{ path: 'subject', message: text }] });
      }
    }
  }

  async #get(id: string): Promise<Job> {
    const [job] = await this.#world.store.ask('get', { ids: [id.toLowerCase()] });
    if (job === undefined) throw notFound(id);
    return job;
  }

  async #list(message: Message): Promise<void> {
    const bytesMax = this.#world.bus.payloadBytesMax - REPLY_FRAME_BYTES;
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
    const request = readCancel(message.body.value);
    if ('filter' in request)
      return answer(message, { count: await this.#cancelMany(request.filter, request.terminate) });
    const { store, clock } = this.#world;
    const options = { now: clock.now(), id: request.id.toLowerCase(), terminate: request.terminate };
    const { job, conflict } = await store.ask('cancel', options);
    if (job === null) throw notFound(request.id);
    if (conflict) throw new RotaError('conflict', `a job that is ${job.state} cannot be cancelled`);
    answer(message, jobView(job));
  }

  /** Cancels page by page: each step sees only what is left, so that the work is bounded and a repeat goes on. */
  async #cancelMany(filter: Filter, terminate: boolean): Promise<number> {
    const { store, clock } = this.#world;
    const allowed = statesAllowing('cancel');
    const states = filter.states === undefined ? allowed : filter.states.filter((state) => allowed.includes(state));
    if (states.length === 0) return 0;
    // Jobs that are inserted meanwhile are not meant.
    const before = Math.min(filter.before ?? Number.MAX_SAFE_INTEGER, clock.now() + 1);
    let count = 0;
    for (;;) {
      const { jobs } = await store.ask('list', {
        filter: { ...filter, states, before },
        limit: BULK_CHUNK,
        order: 'asc',
      });
      const results = await Promise.all(jobs.map(({ id }) => store.ask('cancel', { now: clock.now(), id, terminate })));
      const done = results.filter(({ job, conflict }) => job !== null && !conflict).length;
      count += done;
      if (done === 0) return count;
    }
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
