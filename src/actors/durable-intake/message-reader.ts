import type { NewJob } from '../../job/job.ts';
import type { Clock } from '../../kernel/clock.ts';
import { ERROR_STATUS, RotaError } from '../../kernel/error.ts';
import { type EnqueueEntry, readEnqueue } from '../../messaging/contract/enqueue.ts';
import type { StreamMessage } from '../../messaging/durable-stream.ts';
import { tokensAfter } from '../../messaging/subjects.ts';
import type { RejectedMessage } from '../../store/rejected-message.ts';
import { type JobBuilder, type JobPlace, traceparentOf } from '../intake/job-builder.ts';
import { derivedId } from './derived-id.ts';
import { messageIdOf, rejectedMessage } from './rejection.ts';

/** What a message came to: the jobs that it asks for, or why it becomes none; of `each` entries some of both. */
export interface ReadMessage {
  message: StreamMessage;
  jobs: NewJob[];
  rejected: RejectedMessage[];
}

/** Whether an error is the message's own fault: it would be the same again. Anything else passes, or is ours. */
export function isFault(error: unknown): error is RotaError {
  return (
    error instanceof RotaError &&
    error.code in ERROR_STATUS &&
    error.code !== 'unavailable' &&
    error.code !== 'overloaded'
  );
}

/** Reads messages of the intake stream as enqueue requests that were made when the broker took them. */
export class MessageReader {
  readonly #builder: JobBuilder;
  readonly #clock: Clock;

  constructor(builder: JobBuilder, clock: Clock) {
    this.#builder = builder;
    this.#clock = clock;
  }

  /** What a message comes to. @throws what is not the message's fault */
  async read(message: StreamMessage): Promise<ReadMessage> {
    try {
      return await this.#read(message);
    } catch (error) {
      if (!isFault(error)) throw error;
      return this.rejection(message, error);
    }
  }

  /** A message that becomes no job. */
  rejection(message: StreamMessage, error: RotaError): ReadMessage {
    return { message, jobs: [], rejected: [rejectedMessage(message, error, { at: this.#clock.now() })] };
  }

  /** The ids of all jobs that a message asks for, without looking closer; none of one that cannot be read. */
  idsOf(message: StreamMessage): string[] {
    try {
      return entriesOf(message).flatMap(({ id }) => (id === undefined ? [] : [id]));
    } catch (error) {
      if (!isFault(error)) throw error;
      return [];
    }
  }

  /** A message that is handled no more: rejected as a whole, or where some of its jobs are there, what is not. */
  givenUp(message: StreamMessage, error: RotaError, there: ReadonlySet<string>): ReadMessage {
    if (there.size === 0) return this.rejection(message, error);
    const at = this.#clock.now();
    const rejected = entriesOf(message).flatMap(({ id, index }) =>
      id !== undefined && there.has(id) ? [] : [rejectedMessage(message, error, { at, index })],
    );
    return { message, jobs: [], rejected };
  }

  async #read(message: StreamMessage): Promise<ReadMessage> {
    const builder = this.#builder;
    const queue = await builder.queueOf(message.subject);
    const body = readEnqueue(message.body.value);
    const place = placeOf(message, queue);
    if (body.kind === 'each') return this.#readEach(message, body.entries, place);
    const checked = await builder.checkAll(body.requests, { many: body.kind === 'many' });
    return { message, jobs: builder.jobs(checked, place), rejected: [] };
  }

  async #readEach(message: StreamMessage, entries: readonly EnqueueEntry[], place: JobPlace): Promise<ReadMessage> {
    const builder = this.#builder;
    const at = this.#clock.now();
    const checked = await Promise.all(
      entries.map((entry, index) => ('error' in entry ? entry : builder.check(entry.request, index, ''))),
    );
    const good = checked.flatMap((entry) => ('request' in entry ? [entry] : []));
    const rejected = checked.flatMap((entry, index) =>
      'error' in entry ? [rejectedMessage(message, entry.error, { at, index })] : [],
    );
    return { message, jobs: builder.jobs(good, place), rejected };
  }
}

/** The jobs that a message asks for, by their ids; an entry that is no request has none. @throws RotaError what is wrong */
function entriesOf(message: StreamMessage): { index: number; id: string | undefined }[] {
  const [queue = ''] = tokensAfter(message.subject, 2);
  const body = readEnqueue(message.body.value);
  const entries = body.kind === 'each' ? body.entries : body.requests.map((request) => ({ request }));
  const { idAt } = placeOf(message, queue);
  return entries.map((entry, index) => ({
    index,
    id: 'request' in entry ? (entry.request.id ?? idAt(index)) : undefined,
  }));
}

/** Jobs without an id of their own get one by the publisher's message id, or else by their place in the stream. */
function placeOf(message: StreamMessage, queue: string): JobPlace {
  const { key, takenAt, headers } = message;
  const messageId = messageIdOf(message);
  const origin = messageId === undefined ? { key, takenAt } : { key: `${queue}\n${messageId}` };
  const idAt = (index: number): string => derivedId({ ...origin, index });
  return { queue, traceparent: traceparentOf(headers), madeAt: takenAt, idAt };
}
